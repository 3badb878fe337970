import { hostname } from 'node:os';
import { type Host, MACOS_PIDS } from '../../model/identity.js';
import { ask, type Tools } from './tools.js';

/**
 * `kern.bootsessionuuid` is new at each boot and survives sleep, other than `kern.boottime`, which moves with the clock.
 * The hardware's number survives a reinstall; the name changes with the network, and is only shown. There are no pid
 * namespaces here.
 */
export async function readHost(tools: Tools): Promise<Host> {
  const [boot, hardware] = await Promise.all([
    readBoot(tools),
    ask(tools.ioreg, ['-rd1', '-c', 'IOPlatformExpertDevice'], tools),
  ]);
  return {
    id: hardware.kind === 'finished' ? machineIn(hardware.stdout) : undefined,
    boot,
    pidNamespace: MACOS_PIDS,
    name: hostname(),
  };
}

export async function readBoot(tools: Tools, timeoutMs?: number): Promise<string | undefined> {
  const boot = await ask(tools.sysctl, ['kern.bootsessionuuid'], tools, timeoutMs);
  return boot.kind === 'finished' ? bootIn(boot.stdout) : undefined;
}

const UUID = '[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12}';

/** With its name: `-n` would print something else's value, or none, where there is no such key. */
export const bootIn = (stdout: string): string | undefined =>
  new RegExp(`^kern\\.bootsessionuuid: (${UUID})$`, 'm').exec(stdout)?.[1];

export const machineIn = (stdout: string): string | undefined =>
  new RegExp(`^[ |]*"IOPlatformUUID" = "(${UUID})"$`, 'm').exec(stdout)?.[1];
