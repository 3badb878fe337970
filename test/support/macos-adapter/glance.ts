import type { Glance, Needs } from '../../../src/observe/glance.js';
import { linuxHost } from '../../../src/observe/linux/processes.js';
import { ask, type Tools } from '../../../src/observe/macos/tools.js';
import { DEBIANS } from './this-platform.js';

/*
 * In place of src/observe/glance.ts in that build: the glance of a hook on macOS, by Debian's tools.
 */

export async function glance(needs: Needs): Promise<Glance> {
  const { macosGlance } = await import('../../../src/observe/macos/glance.js');
  const { look } = await macosGlance(needs, DEBIANS, debianBoot);
  // Of the host the rest of that build says what Linux does.
  return { look, host: () => ({ ...linuxHost(), boot: needs.boot ? linuxHost().boot : undefined }) };
}

/** What asking for the boot costs, and Linux's own answer: there is no such key of sysctl here. */
export async function debianBoot(tools: Tools, timeoutMs: number): Promise<string | undefined> {
  await ask(tools.sysctl, ['kernel.random.boot_id'], tools, timeoutMs);
  return linuxHost().boot;
}
