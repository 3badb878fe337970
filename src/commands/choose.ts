import { named } from '../decide/find.js';
import type { Policy } from '../decide/guards.js';
import type { ServerRecord } from '../decide/record.js';
import { type Judgement, judgeAll, lookAround, type Sight, unrecordedServers } from '../look.js';
import type { World } from '../world.js';
import { complain, complainAboutUnread } from './output.js';

export interface Chosen {
  readonly server: Judgement;
  readonly sight: Sight;
}

/**
 * The one server that a person named, judged; otherwise says which it cannot be, and returns undefined. A server that
 * nothing was written down about is asked only when it is about to be stopped: asking is not free for it.
 */
export async function choose(
  name: string,
  policy: Policy & { readonly onWord?: boolean; readonly meansProcess?: boolean },
  world: World,
): Promise<Chosen | undefined> {
  const sight = await lookAround(world);
  const unrecorded = (await unrecordedServers(sight, policy, world)).map(({ record }) => record);
  const found = named(name, [...sight.records, ...unrecorded], sight.snapshot);
  const [record, ...others] = found;
  if (record === undefined) {
    complainAboutUnread(sight.written.unread);
    return missing(name);
  }
  if (others.length > 0) return ambiguous(name, found);
  const near = await lookAround(world, record);
  const [server] = await judgeAll(near, policy, world, policy.onWord || record.ownership !== 'unrecorded');
  if (server === undefined) return missing(name);
  if (!policy.meansProcess || provesProcess(server)) return { server, sight: near };
  return (await itsProcess(server, sight, policy, world)) ?? { server, sight: near };
}

const provesProcess = ({ seen, verdict }: Judgement): boolean =>
  seen.weak === undefined || verdict.guards.some(({ name, outcome }) => name === 'identity' && outcome === 'pass');

/** Whoever names a pid or a port means the process, whatever a record that does not fit it says. */
async function itsProcess(
  { record, seen }: Judgement,
  sight: Sight,
  policy: Policy & { readonly onWord?: boolean },
  world: World,
): Promise<Chosen | undefined> {
  const pid = seen.located.kind === 'present' ? seen.located.server.pid : undefined;
  const others = { ...sight, records: sight.records.filter((one) => one !== record) };
  const found = (await unrecordedServers(others, policy, world)).find((one) => one.record.server?.pid === pid);
  if (found === undefined) return undefined;
  const near = await lookAround(world, found.record);
  const [server] = await judgeAll(near, policy, world, policy.onWord);
  return server && { server, sight: near };
}

function missing(name: string): undefined {
  complain(`no server is known by the id, pid or port ${name}`, 'opencode-reap list --all shows them');
}

function ambiguous(name: string, found: readonly ServerRecord[]): undefined {
  complain(`${name} names ${found.length} servers`, `say which: ${found.map(({ id }) => id).join(', ')}`);
}
