import { randomUUID } from 'node:crypto';
import { type Probe, startProbe } from '../act/probe.js';
import type { Platform } from '../observe/platform.js';
import { type Finding, fail, ok, warn } from './finding.js';

const HINT = 'without them every server is unsure, so none is stopped; check how /proc is mounted here';

/** Whether this machine shows us what we decide by, tried on a process of our own. */
export async function machineFindings(platform: Platform): Promise<Finding[]> {
  if (!platform.shows.clients) {
    const detail = `on ${platform.name}, servers are listed but never stopped: whether they are in use cannot be determined yet`;
    return [warn('machine', detail, 'opencode-reap stop ends one that you name')];
  }
  const probe = await startProbe(randomUUID());
  if (probe === undefined)
    return [fail('machine', 'cannot start a process', 'check the limit on processes (ulimit -u)')];
  const hidden = await hiddenFrom(probe, platform);
  probe.end();
  if (hidden.length > 0) return [fail('machine', `cannot be read: ${hidden.join(', ')}`, HINT)];
  return [ok('machine', 'processes, sockets and environments can be read')];
}

async function hiddenFrom({ pid, tag }: Probe, platform: Platform): Promise<string[]> {
  const seen = (await platform.processes())?.get(pid);
  const [sockets] = await platform.sockets([{ server: pid, pids: [pid] }]);
  const { environment } = (await platform.details({ environment: [pid] })).get(pid) ?? {};
  return [
    ...(seen?.startToken && seen.command && seen.ageMs !== undefined ? [] : ['processes']),
    ...(sockets?.listening.length === 1 ? [] : ['sockets']),
    ...(environment?.tag === tag ? [] : ['environments']),
  ];
}
