import { linuxDetails, linuxEnvironment } from './linux/details.js';
import { linuxHost, linuxLook, linuxProcesses } from './linux/processes.js';
import { linuxSetForwardMs } from './linux/set-forward.js';
import { linuxListener, linuxSockets } from './linux/sockets.js';
import type { Platform } from './platform.js';

const onLinux = (): Omit<Platform, 'name'> => ({
  remedy: 'check how /proc is mounted here',
  // A process that may not even read its own is shown none.
  shows: {
    environments: linuxEnvironment(process.pid) !== undefined,
    clients: true,
    startTokens: 'ticks',
    births: true,
    cwdOfAll: true,
  },
  host: async () => linuxHost(),
  setForwardMs: linuxSetForwardMs,
  processes: async () => linuxProcesses(),
  look: linuxLook,
  details: async (wanted) => linuxDetails(wanted),
  sockets: async (trees) => linuxSockets(trees),
  listener: async (port, host) => linuxListener(port, host),
});

/** What is behind another platform may take 60 ms to load, so it is loaded only where it is needed. */
export async function thisPlatform(name = process.platform): Promise<Platform> {
  if (name === 'linux') return { name, ...onLinux() };
  if (name === 'darwin') return { name, ...(await import('./macos/macos.js')).macosPlatform() };
  if (name === 'win32') return { name, ...(await import('./windows/windows.js')).windowsPlatform() };
  return { name, ...(await import('./other.js')).otherPlatform };
}
