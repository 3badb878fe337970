import type { Host, Identity } from '../model/identity.js';
import { linuxGlance, linuxHost } from './linux/processes.js';

/**
 * The hook's own look, in the few milliseconds that it has: at the processes above it, and at the run that may be there.
 */
export interface Glance {
  readonly look: (pid: number) => Glimpse;
  /** As much of it as could be had in time, and as was asked for. */
  readonly host: () => Host;
}

/** Which process has a pid, and which one is above it. */
export type Glimpse = (Identity & { readonly name: string; readonly parent: number }) | 'gone' | 'unknown';

/** What is told only where it is needed, since it may take a program of its own. */
export interface Needs {
  /** Which boot of the machine this is. */
  readonly boot: boolean;
}

const onLinux: Glance = { look: linuxGlance, host: linuxHost };

/** Another platform's look is loaded only there, and what starts programs with it: that takes as long as all the rest. */
export async function glance(needs: Needs, platform = process.platform): Promise<Glance> {
  if (platform === 'linux') return onLinux;
  if (platform === 'darwin') return (await import('./macos/glance.js')).macosGlance(needs);
  if (platform === 'win32') return (await import('./windows/glance.js')).windowsGlance();
  return blind();
}

/** Where a look takes longer than all hooks together have. What it says of the host is then unknown, too. */
const blind = (): Glance => ({ look: () => 'unknown', host: linuxHost });
