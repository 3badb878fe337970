import { randomUUID } from 'node:crypto';
import { type Probe, startProbe } from '../act/probe.js';
import type { GuardName } from '../decide/guards.js';
import { sameProcess } from '../model/identity.js';
import type { Process, Seen, Sockets } from '../model/process.js';
import type { Details, Listener, Platform } from '../observe/platform.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** Whether this machine shows us what we decide by, tried on a process of our own. */
export async function machineFindings(platform: Platform): Promise<Finding[]> {
  const probe = await startProbe(randomUUID());
  if (probe === undefined)
    return [fail('machine', 'cannot start a process', 'check the limit on processes (ulimit -u)')];
  const shown = await shownOf(probe, platform).finally(probe.end);
  return findingsFrom(probe, shown, platform);
}

/** What the platform shows of the probe. */
export interface Shown {
  readonly seen: Process | undefined;
  /** The same look as before a signal. */
  readonly looked: Seen;
  readonly sockets: Sockets | undefined;
  readonly listener: Listener | 'nobody' | undefined;
  readonly details: Details | undefined;
  readonly isBootKnown: boolean;
}

async function shownOf({ pid, port }: Probe, platform: Platform): Promise<Shown> {
  const { boot, pidNamespace } = await platform.host();
  const [sockets] = await platform.sockets([{ server: pid, pids: [pid] }]);
  return {
    seen: (await platform.processes())?.get(pid),
    looked: await platform.look(pid),
    sockets,
    listener: await platform.listener(port, '127.0.0.1'),
    details: (await platform.details({ environment: [pid], cwd: [pid] })).get(pid),
    isBootKnown: boot !== undefined && pidNamespace !== undefined,
  };
}

/** Something that a platform may fail to show, and the guards that stay unanswered without it. */
interface Need {
  readonly what: string;
  readonly guards: readonly GuardName[];
  readonly isShown: (shown: Shown, probe: Probe) => boolean;
}

const NEEDS: readonly Need[] = [
  {
    what: 'processes',
    guards: ['identity', 'aged'],
    isShown: ({ seen, looked }) => isWhole(seen) && isSame(seen, looked),
  },
  {
    what: 'process sessions',
    guards: ['idle'],
    isShown: ({ seen }, { pid }) => seen?.session === pid && seen.group === pid,
  },
  {
    what: 'sockets',
    guards: ['identity', 'idle'],
    isShown: ({ sockets, listener }, { pid, port }) =>
      sockets?.listening.length === 1 && sockets.listening[0]?.port === port && isOf(listener, pid),
  },
  {
    what: 'environments',
    guards: ['identity', 'unkept'],
    isShown: ({ details }, { tag }) => details?.environment?.tag === tag,
  },
  { what: 'working directories', guards: ['unleased'], isShown: ({ details }) => details?.cwd !== undefined },
  { what: 'the boot', guards: ['local'], isShown: ({ isBootKnown }) => isBootKnown },
];

const isOf = (listener: Shown['listener'], pid: number): boolean =>
  typeof listener === 'object' && listener.pid === pid;

const isWhole = (seen: Process | undefined): seen is Process =>
  seen?.startToken !== undefined && seen.command !== undefined && seen.owner !== undefined && seen.ageMs !== undefined;

const isSame = (seen: Process, looked: Seen): boolean =>
  typeof looked === 'object' && sameProcess(seen, looked) === 'same';

export function findingsFrom(probe: Probe, shown: Shown, { name, shows, remedy }: Platform): Finding[] {
  const hidden = NEEDS.filter(({ isShown }) => !isShown(shown, probe));
  const said = (needs: readonly Need[]): string => listed(needs.map(({ what }) => what));
  if (!shows.clients) {
    const why = `on ${name}, servers are listed but never stopped: what cannot be seen is ${said(hidden)}`;
    return [warn('machine', why, 'opencode-reap stop ends one that you name')];
  }
  // A platform that hides even our own environment from us is judged without any.
  const unsure = hidden.filter(({ what }) => mayShow(what, shows));
  const guards = [...new Set(unsure.flatMap((need) => need.guards))];
  if (unsure.length > 0) {
    const why = `cannot be read: ${said(unsure)}; without it ${listed(guards)} cannot be answered`;
    return [
      fail('machine', why, `a server without every answer is left alone; ${remedy ?? 'docs/platforms.md says why'}`),
    ];
  }
  const seen = NEEDS.filter((need) => !hidden.includes(need));
  const fine = ok('machine', `${said(seen)} can be read`);
  return hidden.length === 0 ? [fine] : [fine, warn('machine', HIDDEN, 'opencode-reap keep marks a server instead')];
}

/** Where there are no groups, neither sessions nor directories are needed: Windows. */
const mayShow = (what: string, { environments, groups }: Platform['shows']): boolean =>
  what === 'environments'
    ? environments
    : groups !== false || !['process sessions', 'working directories'].includes(what);

const HIDDEN =
  'environments are hidden here: servers are known by their start alone, and OPENCODE_REAP=keep is not seen in them';

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
