import { readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { tryRead } from '../../common/errors.js';
import { isObject, jsonIn } from '../../common/json.js';
import { tokenOfProcStart } from '../../decide/claude-list.js';
import { parsePid } from '../../model/identity.js';
import type { Glance, Glimpse } from '../glance.js';
import { type RunTool, runTool } from '../run-tool.js';
import { exists } from './exists.js';
import { windowsTools } from './tools.js';

/** What it writes comes after this, and all hooks of a session's end share 1.5 s. */
const PATIENCE_MS = 700;

/**
 * The hook has no time for PowerShell, and needs none. The client says in `CLAUDE_PID` which process it is, and that is
 * the holder if it has started us; its own list of sessions has when that process began (while the session lives: it is
 * gone when SessionEnd hooks run). Of any other process only its pid is known. `reg.exe` takes tens of milliseconds.
 */
export async function windowsGlance(
  run: RunTool = runTool,
  env: NodeJS.ProcessEnv = process.env,
  parent = process.ppid,
): Promise<Glance> {
  const guid = await windowsTools(run, env).machineGuid(PATIENCE_MS);
  const look = (value: number): Glimpse => {
    const pid = parsePid(value);
    if (pid === undefined || !exists(pid)) return 'gone';
    if (pid === parent && String(pid) === env.CLAUDE_PID)
      return { pid, startToken: startOf(pid, env), name: 'claude', parent: 0 };
    return pid === parent ? 'unknown' : { pid, startToken: undefined, name: '', parent: 0 };
  };
  return { look, host: () => ({ id: guid, boot: guid && `win32:${guid}`, pidNamespace: 'win32', name: hostname() }) };
}

/** 100 ns between 1601, from where Windows counts, and 1970. */
const EPOCH = 116_444_736_000_000_000n;

function startOf(pid: number, env: NodeJS.ProcessEnv): string | undefined {
  const folder = env.CLAUDE_CONFIG_DIR || join(homedir(), '.claude');
  const said = jsonIn(tryRead(() => readFileSync(join(folder, 'sessions', `${pid}.json`), 'utf8')) ?? '');
  const token = isObject(said) && said.pid === pid ? tokenOfProcStart(said.procStart, 'microseconds') : undefined;
  if (token === undefined) return undefined;
  // One of the future is of no process.
  return (BigInt(token) * 10n - EPOCH) / 10_000n <= BigInt(Date.now()) ? token : undefined;
}
