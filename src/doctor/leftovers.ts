import { count, duration } from '../common/text.js';
import { isAlive, UNSEEN_COUNTS_MS } from '../decide/alive.js';
import { isLive } from '../decide/leases.js';
import { type Survey, survey } from '../run/survey.js';
import type { World } from '../run/world.js';
import type { StateFolder } from '../state/folders.js';
import { type Held, holderOfBackgroundRun, isVoid } from '../state/ours/claims.js';
import { readLog } from '../state/ours/log.js';
import { pendingRequests } from '../state/ours/requests.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** A request lingers for seconds, and its session's process is waited for at most 90 s. */
const OLD_REQUEST_MS = 10 * 60_000;
const RECENT_MS = 7 * 24 * 3_600_000;

/** What runs have left behind that should be gone by now. */
export async function leftoverFindings(world: World): Promise<Finding[]> {
  const around = await survey(world);
  const claim = holderOfBackgroundRun(world.folder);
  const alive = claim && isAlive(claim.holder, claim.machine, around.snapshot);
  const runs = alive === 'yes' ? claim?.holder.pid : undefined;
  const old = pendingRequests(world.folder).filter(({ at }) => Date.now() - at > OLD_REQUEST_MS);
  return [
    claim && alive === 'unknown' && !isVoid(claim, alive, { boot: around.snapshot.machine.boot, ms: world.clock() })
      ? unexamined(claim)
      : ok('background run', runs === undefined ? 'none now' : `pid ${runs}`),
    ...(runs === undefined && old.length > 0 ? [oldRequests(old.length)] : []),
    ...deadFences(around),
    ...unexaminedLeases(around),
    ...around.written.unread.map(({ file, error }) =>
      fail(
        'state',
        `could not read ${file}: ${error}`,
        'servers that it may be about are left alone; fix it or remove it',
      ),
    ),
    ...failures(world.folder),
  ];
}

/** In another container, or on a system where boots cannot be told apart. */
const unexamined = ({ holder, holdsMs }: Held): Finding =>
  warn(
    'background run',
    `pid ${holder.pid} claims to be it, but cannot be examined from here`,
    `its claim expires ${duration(holdsMs)} after its last sign of life; opencode-reap --all-stale checks now`,
  );

const oldRequests = (n: number): Finding =>
  warn(
    'requests',
    `${count(n, 'request')} from ended sessions ${n === 1 ? 'is' : 'are'} still waiting, but there is no background run`,
    'the next session’s hook starts one; opencode-reap --all-stale checks now',
  );

function deadFences(around: Survey): Finding[] {
  // Where the record is back, a run has finished it as far as that is possible now.
  const left = around.deadFences.filter(({ recordIsBack }) => !recordIsBack);
  if (left.length === 0) return [];
  const servers = count(left.length, 'server');
  return [warn('fences', `a run died while it was stopping ${servers}`, 'opencode-reap --all-stale finishes it')];
}

/** Written in a container, or on a machine that cannot be told from this one, perhaps by a session that is long over. */
function unexaminedLeases({ written, snapshot }: Survey): Finding[] {
  const doubtful = written.leases.filter((lease) => isLive(lease, snapshot) === 'unknown');
  return doubtful.map((lease) => {
    const leftMs = Math.max(0, (lease.expiresAt ?? lease.seenAt + UNSEEN_COUNTS_MS) - snapshot.at);
    return warn(
      'leases',
      `cannot tell whether the session behind ${lease.file} is still running`,
      `remove that file if it has ended; it counts for another ${duration(leftMs)}`,
    );
  });
}

/** Failures of what has no one to report them to. */
function failures(folder: StateFolder): Finding[] {
  const lines = readLog(folder).filter(({ at }) => Date.now() - Date.parse(at) < RECENT_MS);
  return ['hook', 'background run', 'watch'].flatMap((who) => {
    const failed = lines.filter(({ event }) => event === `${who} failed`);
    const last = failed.at(-1);
    if (last === undefined) return [];
    const often = count(failed.length, 'time');
    return [warn('log', `a ${who} failed ${often} in 7 days, last at ${last.at}: ${last.detail}`, 'opencode-reap log')];
  });
}
