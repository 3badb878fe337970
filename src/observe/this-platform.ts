import { linuxListens } from './linux/listens.js';
import {
  linuxCwd,
  linuxEnvironment,
  linuxHidesCwd,
  linuxHost,
  linuxIsElsewhere,
  linuxLook,
  linuxProcesses,
} from './linux/processes.js';
import { linuxListener, linuxListenerUser, linuxSockets } from './linux/sockets.js';
import type { PlatformAdapter } from './platform.js';

const onLinux: PlatformAdapter = {
  host: linuxHost,
  processes: async () => linuxProcesses(),
  look: linuxLook,
  environment: linuxEnvironment,
  sockets: linuxSockets,
  listens: linuxListens,
  cwd: linuxCwd,
  hidesCwd: linuxHidesCwd,
  isElsewhere: linuxIsElsewhere,
  listener: async (port, host) => linuxListener(port, host),
  listenerUser: linuxListenerUser,
};

/** The packages behind it take 60 ms to load, so they are loaded only where they are needed. */
export async function thisPlatform(platform = process.platform): Promise<PlatformAdapter> {
  return platform === 'linux' ? onLinux : (await import('./other.js')).otherPlatform;
}
