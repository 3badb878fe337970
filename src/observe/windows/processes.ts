import { isObject, type Json, jsonIn } from '../../common/json.js';
import { claudeRole } from '../../model/claude-process.js';
import { classify } from '../../model/command-line.js';
import { parsePid } from '../../model/identity.js';
import type { Process } from '../../model/process.js';
import { argvOf } from './argv.js';

/**
 * Prints every process, as one line for `-Command`: so it has single quotes only. It keeps to cmdlets, casts and methods
 * of strings and dates, which Constrained Language Mode allows; the one line that does not is in a `try`. Times leave as
 * strings of 100 ns since 1601: as numbers they are beyond 2^53, and as dates each version of PowerShell writes them in
 * its own way. The owner takes a call for each process, so it is asked for servers and clients alone, and for
 * PowerShell itself, whose owner we are.
 */
export const LOOK = [
  "$ErrorActionPreference='Stop'",
  "$ProgressPreference='SilentlyContinue'",
  'try{[Console]::OutputEncoding=New-Object Text.UTF8Encoding $false}catch{}',
  "$rows=Get-CimInstance -Query 'SELECT ProcessId,ParentProcessId,CreationDate,Name,CommandLine,ExecutablePath,WorkingSetSize FROM Win32_Process'",
  '$all=foreach($p in $rows){' +
    '$o=@{pid=$p.ProcessId;ppid=$p.ParentProcessId;name=$p.Name;cmd=$p.CommandLine;exe=$p.ExecutablePath;rss=$p.WorkingSetSize;at=$null;sid=$null};' +
    'if($p.CreationDate){$o.at=[string]$p.CreationDate.ToFileTimeUtc()};' +
    "if($p.ProcessId -eq $PID -or $p.Name -like '*opencode*' -or $p.Name -like '*claude*' -or $p.CommandLine -like '*opencode*'){" +
    'try{$o.sid=(Invoke-CimMethod -InputObject $p -MethodName GetOwnerSid).Sid}catch{}};' +
    '$o}',
  'ConvertTo-Json -Compress -Depth 4 -InputObject @{self=$PID;now=[string](Get-Date).ToFileTimeUtc();processes=@($all)}',
].join(';');

/** A table, the moment it is of, and the user that we are. */
export interface Looked {
  readonly processes: ReadonlyMap<number, Process>;
  /** Our SID, which is that of the PowerShell that looked. */
  readonly owner: string | undefined;
}

/**
 * What `LOOK` printed. Undefined when it is not a whole table: not JSON, cut off, or without the process that asked.
 * `us` is our own pid, `uptimeMs` how long the machine has been up.
 */
export function parseLook(text: string | undefined, us: number, uptimeMs: number): Looked | undefined {
  const said = jsonIn(text ?? '');
  if (!isObject(said) || !Array.isArray(said.processes)) return undefined;
  const now = fileTime(said.now);
  const self = parsePid(said.self);
  if (now === undefined || self === undefined) return undefined;
  const rows = said.processes.filter(isObject);
  const owner = sid(rows.find(({ pid }) => pid === self)?.sid);
  // PowerShell itself, and the console that it has while it looks. Anything else below its pid had an earlier process
  // for its parent, whose pid it has got.
  const seen = rows
    .filter(({ pid, ppid, name }) => pid !== self && (ppid !== self || !CONSOLE.test(String(name))))
    .flatMap((row) => processFrom(row, now, uptimeMs) ?? []);
  const table = new Map(seen.map((process) => [process.pid as number, process]));
  const own = table.get(us);
  if (own === undefined) return undefined;
  table.set(us, { ...own, owner });
  return { processes: new Map([...table].map(([pid, process]) => [pid, withParent(process, table)])), owner };
}

/** Set by Windows' clock, or read from what is just ending (0x5555…): then it is none. */
const LATEST = 0x0300_0000_0000_0000n;
const EARLIEST = 0x0100_0000_0000_0000n;

/** 100 ns since 1601, as a string: a number of that size has been rounded. */
function fileTime(value: unknown): bigint | undefined {
  if (typeof value !== 'string' || !/^\d{17,19}$/.test(value)) return undefined;
  const time = BigInt(value);
  return time > EARLIEST && time < LATEST ? time : undefined;
}

/** CIM has microseconds, Claude Code's list and a process's handle 100 ns: the last digit is left out of all of them. */
export const startTokenOf = (time: string): string => time.slice(0, -1);

const sid = (value: unknown): string | undefined =>
  typeof value === 'string' && /^S-1(-\d+)+$/.test(value) ? value : undefined;

const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;

const word = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** A process that is ending may have no name anymore, or an impossible time: it is there, and nothing is known of it. */
function processFrom(row: Json, now: bigint, uptimeMs: number): Process | undefined {
  const pid = parsePid(row.pid);
  if (pid === undefined) return undefined;
  const name = word(row.name);
  const at = name === undefined ? undefined : fileTime(row.at);
  const executable = word(row.exe)?.replace(REPLACED, '.exe');
  const line = at === undefined ? undefined : word(row.cmd);
  const argv = line === undefined ? undefined : argvOf(line);
  const program = name?.replace(REPLACED, '.exe') ?? '';
  return {
    pid,
    startToken: at === undefined ? undefined : startTokenOf(String(at)),
    parent: number(row.ppid) ?? 0,
    group: undefined,
    session: undefined,
    terminal: undefined,
    owner: sid(row.sid),
    name: program,
    command: argv === undefined ? undefined : classify(argv, executable),
    claude: DESKTOP.test(executable ?? '') ? undefined : claudeRole(program, argv, executable),
    ageMs: at === undefined ? undefined : ageFrom(at, now, uptimeMs),
    memoryBytes: number(row.rss),
    consoleHost: CONSOLE.test(program)
      ? line === undefined
        ? 'unknown'
        : / --signal /.test(line)
          ? 'terminal'
          : 'own'
      : undefined,
  };
}

/** An update renames the client that still runs. */
const REPLACED = /\.exe\.old\.\d+$/i;
/** Claude's desktop application, whose processes are called like the client. */
const DESKTOP = /\\(AnthropicClaude|WindowsApps\\Claude_[^\\]*)\\/i;
/** What draws a console, or stands in for one: with `--signal`, a terminal that somebody has opened. */
const CONSOLE = /^(conhost|openconsole)\.exe$/i;

/** A clock that was set makes a process older than the machine, or not born yet. */
const MARGIN_MS = 60_000;

function ageFrom(at: bigint, now: bigint, uptimeMs: number): number | undefined {
  const ageMs = Number(now - at) / 10_000;
  return ageMs < 0 || ageMs > uptimeMs + MARGIN_MS ? undefined : ageMs;
}

/**
 * Windows keeps the pid of a parent that has ended, which another process may have by now: one that is younger than its
 * child is not its parent. The pid is kept apart, since it still says by what the child was started.
 */
function withParent(process: Process, table: ReadonlyMap<number, Process>): Process {
  const parent = table.get(process.parent);
  const isYounger =
    parent?.startToken !== undefined &&
    process.startToken !== undefined &&
    BigInt(parent.startToken) > BigInt(process.startToken);
  if (parent !== undefined && !isYounger) return process;
  return { ...process, parent: parent === undefined ? process.parent : 0, orphanOf: process.parent };
}
