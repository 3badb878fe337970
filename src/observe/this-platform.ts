import { linuxListens } from './linux/listens.js';
import {
  linuxCwd,
  linuxEnvironment,
  linuxHidesCwd,
  linuxIsElsewhere,
  linuxLook,
  linuxMachine,
  linuxProcesses,
} from './linux/processes.js';
import { linuxHolder, linuxHolderUser, linuxSockets } from './linux/sockets.js';
import type { Platform } from './platform.js';

const onLinux: Platform = {
  machine: linuxMachine,
  processes: async () => linuxProcesses(),
  look: linuxLook,
  environment: linuxEnvironment,
  sockets: linuxSockets,
  listens: linuxListens,
  cwd: linuxCwd,
  hidesCwd: linuxHidesCwd,
  isElsewhere: linuxIsElsewhere,
  holder: async (port, host) => linuxHolder(port, host),
  holderUser: linuxHolderUser,
};

/** The packages behind it take 60 ms to load, so they are loaded only where they are needed. */
export async function openEyes(platform = process.platform): Promise<Platform> {
  return platform === 'linux' ? onLinux : (await import('./other.js')).portableEyes;
}
