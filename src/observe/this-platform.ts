import { linuxDetails, linuxEnvironment } from './linux/details.js';
import { linuxHost, linuxLook, linuxProcesses } from './linux/processes.js';
import { linuxListener, linuxSockets } from './linux/sockets.js';
import type { Platform } from './platform.js';

const onLinux = (): Omit<Platform, 'name'> => ({
  // A process that may not even read its own is shown none.
  shows: { environments: linuxEnvironment(process.pid) !== undefined, clients: true, startTicks: true },
  host: async () => linuxHost(),
  processes: async () => linuxProcesses(),
  look: linuxLook,
  details: async (wanted) => linuxDetails(wanted),
  sockets: async (trees) => linuxSockets(trees),
  listener: async (port, host) => linuxListener(port, host),
});

/** The packages behind it take 60 ms to load, so they are loaded only where they are needed. */
export async function thisPlatform(name = process.platform): Promise<Platform> {
  return { name, ...(name === 'linux' ? onLinux() : (await import('./other.js')).otherPlatform) };
}
