import { linuxHost } from '../../src/observe/linux/processes.js';
import { ask, TOOLS, type Tools } from '../../src/observe/macos/tools.js';

/** What macOS's adapter runs, as Debian has it: the same programs, with the same arguments. */
export const DEBIAN: Tools = {
  ...TOOLS,
  lsof: '/usr/bin/lsof',
  netstat: ['/bin/netstat', '-ant'],
  characters: 'C.UTF-8',
  highestPid: 4_194_304,
};

/** What asking for the boot costs, and Linux's own answer: there is no such key of sysctl here. */
export async function debianBoot(tools: Tools, timeoutMs: number): Promise<string | undefined> {
  await ask(tools.sysctl, ['kernel.random.boot_id'], tools, timeoutMs);
  return linuxHost().boot;
}
