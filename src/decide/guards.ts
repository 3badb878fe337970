import { count, duration } from '../common/text.js';
import type { Identity } from '../model/identity.js';
import { shownBirth } from './born-proofs.js';
import type { Evidence } from './evidence.js';
import { sparesByOwner, whose, whyOwnerDoubted } from './owner.js';
import { type WeakProof, whyDoubted } from './weak-proof.js';

export type GuardName = 'owned' | 'local' | 'identity' | 'unleased' | 'idle' | 'aged' | 'unkept';
export type GuardOutcome = 'pass' | 'veto' | 'unknown';

export interface GuardAnswer {
  readonly name: GuardName;
  readonly outcome: GuardOutcome;
  /** One sentence about what was seen. */
  readonly detail: string;
}

export interface Policy {
  readonly olderThanMs: number;
  /** Set only by the watch: how long a server must have been quiet, unless its record says how long. */
  readonly quietForMs?: number | undefined;
}

/** A possible answer: it applies when `says` returns its sentence. The first row that applies is the guard's answer. */
type Row = readonly [outcome: GuardOutcome, says: (seen: Evidence, policy: Policy) => string | false | undefined];

interface Guard {
  readonly asks: string;
  readonly answers: readonly Row[];
}

/**
 * What `stale` means: a server may be stopped when every one of these passes. One veto spares it, one unknown makes it
 * unsure, and a guard without a matching row is unknown. In each guard the vetoes come before the unknowns, so that
 * knowing less never makes a server easier to stop.
 */
export const GUARDS: Readonly<Record<GuardName, Guard>> = {
  owned: {
    asks: 'did a plugin start it?',
    answers: [
      ['veto', (seen) => seen.ownership === 'unrecorded' && 'it is not recorded'],
      ['veto', (seen) => seen.ownership === 'user' && 'the record says that the user started it'],
      ['veto', (seen) => seen.ownership === 'unmarked' && 'the record does not say that a plugin started it'],
      [
        'veto',
        (seen) => seen.ownership === 'withdrawn' && seen.birth && 'what proved that a plugin started it is gone',
      ],
      [
        'veto',
        (seen) => seen.ownership === 'withdrawn' && 'its record was changed or removed while it was being judged',
      ],
      ['veto', (seen) => seen.trust.kind === 'untrusted' && `the record cannot be trusted: ${seen.trust.because}`],
      [
        'veto',
        (seen) => seen.sharedDaemon === 'service' && 'it is the user’s shared daemon (`opencode serve --service`)',
      ],
      ['veto', (seen) => seen.sharedDaemon === 'stdio' && 'it ends with its own starter (`opencode serve --stdio`)'],
      ['veto', (seen) => sparesByOwner(seen.owner) === 'yes' && `it belongs to ${whose(seen.owner)}`],
      ['unknown', (seen) => seen.trust.kind === 'unexamined' && `the record cannot be examined: ${seen.trust.because}`],
      ['unknown', (seen) => seen.alsoUnread.length > 0 && 'a record that may be about it could not be read'],
      ['unknown', (seen) => whyOwnerDoubted(seen.owner)],
      ['unknown', (seen) => seen.birth?.proof.kind === 'unknown' && seen.birth.proof.because],
      ['pass', (seen) => seen.ownership === 'adopted' && 'it was adopted with `opencode-reap adopt`'],
      ['pass', (seen) => shownBirth(seen)],
      ['pass', (seen) => (seen.plugin ? `started by ${seen.plugin}` : 'started by a plugin')],
    ],
  },
  local: {
    asks: 'was it started on this machine, since it booted?',
    answers: [
      ['veto', (seen) => seen.where?.machine === 'different' && 'started on another machine'],
      ['veto', (seen) => seen.where?.boot === 'different' && 'started before this machine booted'],
      ['veto', (seen) => seen.where?.pidNamespace === 'different' && 'started in another container'],
      ['pass', (seen) => seen.where === undefined && 'the record does not say; its identity decides'],
      ['unknown', (seen) => seen.where?.machine === 'unknown' && 'cannot tell which machine this is'],
      ['unknown', (seen) => seen.where?.boot === 'unknown' && 'cannot tell when this machine booted'],
      ['unknown', (seen) => seen.where?.pidNamespace === 'unknown' && 'cannot tell which container this is'],
      ['pass', () => 'started here'],
    ],
  },
  identity: {
    asks: 'is this process the one that was recorded?',
    answers: [
      ['veto', (seen) => seen.match?.user === 'different' && 'the process belongs to another user'],
      ['veto', (seen) => seen.match?.command === 'other' && 'the process is not an `opencode serve`'],
      ['veto', (seen) => seen.match?.tag === 'different' && 'the process does not carry the recorded tag'],
      ['unknown', (seen) => seen.located.kind !== 'present' && seen.located.because],
      ['unknown', (seen) => seen.match?.user === 'unknown' && 'cannot tell whose process it is'],
      ['unknown', (seen) => seen.match?.command === 'unknown' && 'its command line cannot be read'],
      [
        'unknown',
        (seen) =>
          seen.located.kind === 'present' &&
          seen.located.proof === 'tag' &&
          seen.match?.tag !== 'same' &&
          'its tag cannot be read',
      ],
      ['unknown', (seen) => seen.match?.tag === 'unknown' && 'its environment cannot be read'],
      ['unknown', (seen) => seen.weak && whyDoubted(seen.weak)],
      ['pass', (seen) => seen.weak && `same ${fitting(seen.weak)}`],
      ['pass', (seen) => seen.located.kind === 'present' && `same ${seen.located.proof}, user and command line`],
    ],
  },
  unleased: {
    asks: 'has every session that may use it ended?',
    answers: [
      ['veto', (seen) => leased(seen)],
      ['veto', (seen) => seen.waitingStarter !== undefined && `process ${seen.waitingStarter} is still starting it`],
      ['veto', (seen) => atTerminal(seen, 'yes') && `its parent, pid ${seen.parentAtTerminal?.pid}, is at a terminal`],
      ['unknown', (seen) => doubtfullyLeased(seen)],
      ['unknown', (seen) => atTerminal(seen, 'unknown') && 'cannot tell whether its parent is at a terminal'],
      ['unknown', (seen) => seen.leasesUnread && 'a lease could not be read'],
      ['pass', () => 'no live session holds it'],
    ],
  },
  idle: {
    asks: 'is nothing using it or running in it?',
    answers: [
      ['veto', (seen) => seen.runsUs && 'this command runs inside it'],
      ['veto', (seen) => seen.clients?.length !== 0 && seen.clients && connected(seen.clients)],
      ['veto', (seen) => seen.ownSessions?.length !== 0 && seen.ownSessions && runningIn(seen.ownSessions, seen.apart)],
      ['veto', (seen) => seen.apart.some(({ isSure }) => isSure) && foreignBelow(seen.apart)],
      ['veto', (seen) => withRunningJobs(seen, 'yes')],
      [
        'veto',
        (seen) =>
          seen.activity.kind === 'busy' &&
          `${count(seen.activity.sessions, seen.activity.what ?? 'session')} ${seen.activity.what ? 'running' : 'busy'} in ${seen.activity.directory}`,
      ],
      // Only OpenCode 2 has MCP servers with a session of their own.
      [
        'veto',
        (seen) =>
          seen.activity.kind === 'idle' &&
          !seen.activity.isSecond &&
          seen.mcpSessions.length > 0 &&
          runningIn(seen.mcpSessions, seen.apart),
      ],
      ['veto', (seen) => seen.wasUsedLately && 'it was used within the last minute'],
      ['veto', (seen, { quietForMs }) => quietForMs !== undefined && tooSoon(seen, seen.retireAfterMs ?? quietForMs)],
      ['unknown', (seen) => seen.clients === undefined && 'its connections cannot be seen'],
      ['unknown', (seen) => seen.ownSessions === undefined && 'its children cannot be seen'],
      ['unknown', (seen) => seen.apart.length > 0 && foreignBelow(seen.apart)],
      ['unknown', (seen) => withRunningJobs(seen, 'unknown')],
      ['unknown', (seen) => seen.usesUnread && 'a plugin’s list of jobs and sessions could not be read'],
      ['unknown', (seen) => seen.activity.kind === 'unknown' && seen.activity.because],
      ['unknown', (seen) => seen.activity.kind === 'silent' && 'it did not answer'],
      [
        'unknown',
        (seen, { quietForMs }) =>
          quietForMs !== undefined &&
          seen.activity.kind === 'idle' &&
          seen.activity.lastActiveAt === 'unknown' &&
          'it does not say when it was last used',
      ],
      [
        'unknown',
        (seen) => seen.activity.kind === 'not asked' && 'it was not asked; its answer would not change the verdict',
      ],
      ['pass', (seen) => seen.activity.kind === 'hung' && `hung: ${seen.activity.because}`],
      [
        'pass',
        (seen) =>
          seen.activity.kind === 'idle' &&
          `no session busy in ${count(seen.activity.directories, 'directory', 'directories')}, no client, no tool`,
      ],
    ],
  },
  aged: {
    asks: 'is it old enough?',
    answers: [
      ['unknown', (seen) => !(seen.ageMs !== undefined && seen.ageMs >= 0) && 'its age cannot be computed'],
      [
        'veto',
        (seen, policy) =>
          seen.ageMs !== undefined &&
          seen.ageMs < policy.olderThanMs &&
          `${duration(seen.ageMs)} old, younger than ${duration(policy.olderThanMs)}`,
      ],
      ['pass', (seen) => seen.ageMs !== undefined && `${duration(seen.ageMs)} old`],
    ],
  },
  unkept: {
    asks: 'is it free of keep marks?',
    answers: [
      ['veto', (seen) => seen.kept === 'yes' && 'the user wants it kept'],
      ['unknown', (seen) => seen.kept === 'unknown' && 'the keep marks could not be read'],
      ['pass', () => 'it has no keep mark'],
    ],
  },
};

export const GUARD_NAMES = Object.keys(GUARDS) as readonly GuardName[];

export function answer(name: GuardName, seen: Evidence, policy: Policy): GuardAnswer {
  for (const [outcome, says] of GUARDS[name].answers) {
    const detail = says(seen, policy);
    if (detail) return { name, outcome, detail };
  }
  return { name, outcome: 'unknown', detail: 'nothing was seen that answers it' };
}

function tooSoon({ quietMs = 0 }: Evidence, wantedMs: number): string | undefined {
  if (wantedMs === 0) return 'the watch leaves it alone (--retire-after 0)';
  if (quietMs >= wantedMs) return undefined;
  const lastUsed = quietMs < 1_000 ? 'may just have been used' : `last used ${duration(quietMs)} ago`;
  return `${lastUsed}, and the watch waits for ${duration(wantedMs)} of quiet`;
}

/** What of a record without a start token matches the process. */
function fitting({ startsAfterMs, port, password, pluginConfig }: WeakProof): string {
  const more = [
    startsAfterMs !== undefined && 'start time',
    port === 'same' && 'port',
    password === 'same' && 'password',
    pluginConfig && 'plugin configuration',
  ].filter((one) => one !== false);
  return ['user', 'command line', ...more].join(', ').replace(/, (?=[^,]*$)/, ' and ');
}

/** A sentence should fit on a terminal line. */
const MOST_NAMED = 3;

function withRunningJobs(seen: Evidence, live: 'yes' | 'unknown'): string | undefined {
  const flights = seen.jobs.filter((flight) => flight.live === live);
  const named = flights.map(({ name, holderPid }) => (holderPid === undefined ? name : `${name}, pid ${holderPid}`));
  const more = named.length > MOST_NAMED ? [`and ${named.length - MOST_NAMED} more`] : [];
  const jobs = `${count(flights.length, 'plugin job')} (${[...named.slice(0, MOST_NAMED), ...more].join('; ')})`;
  if (flights.length === 0) return undefined;
  return live === 'yes' ? `${jobs} in flight` : `${jobs} may still be running`;
}

const atTerminal = ({ parentAtTerminal }: Evidence, is: 'yes' | 'unknown'): boolean => parentAtTerminal?.is === is;

function leased(seen: Evidence): string | undefined {
  const holders = seen.coveringLeases.filter((lease) => lease.live === 'yes' && lease.covers === 'yes');
  // A session may have several leases.
  const pids = [...new Set(holders.map((lease) => `pid ${lease.holderPid}`))];
  return holders.length === 0 ? undefined : `${count(pids.length, 'live session')} may use it (${pids.join(', ')})`;
}

function doubtfullyLeased(seen: Evidence): string | undefined {
  const doubtful = seen.coveringLeases.filter((lease) => lease.live !== 'no');
  // A session may be written down in several files.
  const sessions = new Set(doubtful.map(({ session, file, holderPid }) => session ?? file ?? holderPid));
  return doubtful.length === 0 ? undefined : `cannot tell whether ${count(sessions.size, 'session')} may still use it`;
}

function runningIn(sessions: readonly Identity[], apart: Evidence['apart']): string {
  const named = `a tool or shell runs in it (${sessions.map(({ pid }) => `pid ${pid}`).join(', ')})`;
  return apart.length === 0 ? named : `${named}; not its own: ${notItsOwn(apart)}`;
}

const foreignBelow = (apart: Evidence['apart']): string =>
  `some processes below it are not its own: ${notItsOwn(apart)}`;

function notItsOwn(apart: Evidence['apart']): string {
  const named = apart.slice(0, MOST_NAMED).map(({ process, because }) => `pid ${process.pid} ${because}`);
  return [...named, ...(apart.length > MOST_NAMED ? [`and ${apart.length - MOST_NAMED} more`] : [])].join('; ');
}

function connected(clients: NonNullable<Evidence['clients']>): string {
  const pids = [...new Set(clients.flatMap(({ clientPid }) => clientPid ?? []))];
  const who = pids.length === 0 ? '' : ` (${pids.map((pid) => `pid ${pid}`).join(', ')})`;
  return `${count(clients.length, 'client connection')} open${who}`;
}
