import { linuxHost } from '../../../src/observe/linux/processes.js';
import { macosPlatform } from '../../../src/observe/macos/macos.js';
import { TOOLS, type Tools } from '../../../src/observe/macos/tools.js';
import type { Platform } from '../../../src/observe/platform.js';

/*
 * In place of src/observe/this-platform.ts in a build for tests: Linux, through macOS's adapter.
 */

/** The same tools as Debian has them: packages procps, lsof and net-tools. */
export const DEBIANS: Tools = {
  ...TOOLS,
  lsof: '/usr/bin/lsof',
  netstat: ['/bin/netstat', '-ant'],
  characters: 'C.UTF-8',
  highestPid: 4_194_304,
};

export async function thisPlatform(name = process.platform): Promise<Platform> {
  return { name, ...macosPlatform({ tools: DEBIANS, host: async () => linuxHost() }) };
}
