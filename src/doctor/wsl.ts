import type { ProcessTable } from '../model/process.js';
import { type Finding, ok } from './finding.js';

/** What Windows has for each port that something inside WSL listens on; older builds call it wslhost. */
const RELAY = /^wsl(relay|host)\.exe$/i;

/** WSL and the Windows that it runs on have processes, files and records of their own. `kernel` is that of `uname -r`. */
export function wslFindings(kernel: string, table: ProcessTable | undefined): Finding[] {
  if (/microsoft/i.test(kernel))
    return [ok('machine', 'this is WSL: servers and sessions of Windows itself cannot be seen from here')];
  const hasRelay = [...(table?.values() ?? [])].some(({ name }) => RELAY.test(name));
  return hasRelay ? [ok('machine', 'WSL runs here: servers and sessions inside it cannot be seen from here')] : [];
}
