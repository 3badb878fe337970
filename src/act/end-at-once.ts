import { isObject } from '../common/json.js';
import { type Identity, parsePid } from '../model/identity.js';

/** What became of one process. `unknown` when nothing was said of it. */
export type Fate = 'ended' | 'gone' | 'replaced' | 'denied' | 'survived' | 'unknown';

/** `Wait-Process` in seconds. A process that is terminated ends at once, unless it waits for a driver. */
const WAIT_S = 5;

/**
 * For Windows, where nothing can be signaled, a pid is reused within milliseconds, and a look takes half a second: one
 * PowerShell opens each process, compares when it was created, and ends it by that handle, which can mean no other. The
 * first one is the server: if that is another process by now, or may not be ended, the others stay.
 *
 * As one line for `-Command`, with single quotes only, and nothing that Constrained Language Mode forbids. Pids and tokens
 * are digits, so nothing of a file's gets into it.
 */
export function endScript(targets: readonly Identity[], isFirstServer: boolean): string | undefined {
  const list = targets.flatMap(({ pid, startToken }) =>
    /^\d{16,18}$/.test(startToken ?? '') ? `'${pid}:${startToken}'` : [],
  );
  if (list.length !== targets.length || list.length === 0) return undefined;
  return [
    "$ErrorActionPreference='Stop'",
    "$ProgressPreference='SilentlyContinue'",
    '$stay=$false',
    `$r=foreach($t in ${list.join(',')}){$a=$t.Split(':');$w='gone';` +
      "if($stay){@{pid=[int]$a[0];what='unknown'};continue};" +
      // Any other error says nothing of whether it is there.
      "try{$p=Get-Process -Id $a[0]}catch{if($_.FullyQualifiedErrorId -notlike 'NoProcessFound*'){$w='denied'};" +
      `${isFirstServer ? '$stay=$true;' : ''}@{pid=[int]$a[0];what=$w};continue};` +
      "try{$w='denied';$h=$p.Handle;$at=[string]$p.StartTime.ToFileTimeUtc();" +
      "if($at.Substring(0,$at.Length-1) -ne $a[1]){$w='replaced'}" +
      `else{Stop-Process -InputObject $p -Force;$w='survived';Wait-Process -InputObject $p -Timeout ${WAIT_S};$w='ended'}` +
      "}catch{try{if($p.HasExited){$w='ended'}}catch{}};" +
      `${isFirstServer ? "if($w -ne 'ended'){$stay=$true};" : ''}` +
      '@{pid=[int]$a[0];what=$w}}',
    'ConvertTo-Json -Compress -InputObject @{ended=@($r)}',
  ].join(';');
}

/** What the script said, for each target; a target that it does not speak of is unknown. */
export function parseEnded(text: string | undefined, targets: readonly Identity[]): ReadonlyMap<number, Fate> {
  const said = new Map<number, Fate>();
  for (const one of rowsIn(text)) {
    const pid = isObject(one) ? parsePid(one.pid) : undefined;
    const what = isObject(one) ? WORDS.find((word) => word === one.what) : undefined;
    if (pid !== undefined && what !== undefined) said.set(pid, what);
  }
  return new Map(targets.map(({ pid }) => [pid, said.get(pid) ?? 'unknown']));
}

const WORDS: readonly Fate[] = ['ended', 'gone', 'replaced', 'denied', 'survived'];

function rowsIn(text: string | undefined): readonly unknown[] {
  try {
    const json: unknown = JSON.parse(text ?? '');
    return isObject(json) && Array.isArray(json.ended) ? json.ended : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

export type RunScript = (script: string) => Promise<string | undefined>;

/** Ends all of them in one call, those that we are or run below excepted. Says what became of each. */
export async function endAtOnce(
  targets: readonly Identity[],
  isFirstServer: boolean,
  run: RunScript,
  lineage: ReadonlySet<number>,
): Promise<ReadonlyMap<number, Fate>> {
  const others = targets.filter(({ pid }) => pid > 1 && pid !== process.pid && !lineage.has(pid));
  const script = endScript(others, isFirstServer);
  return script === undefined ? new Map() : parseEnded(await run(script), others);
}
