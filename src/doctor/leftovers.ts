import { lives } from '../decide/lives.js';
import { count } from '../decide/words.js';
import { lookAround, type Sight } from '../look.js';
import { sweeper } from '../state/claims.js';
import type { StateFolder } from '../state/folders.js';
import { readLog } from '../state/log.js';
import { pendingRequests } from '../state/requests.js';
import type { World } from '../world.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** A request lingers for seconds, and its session's process is waited for at most 90 s. */
const OLD_REQUEST_MS = 10 * 60_000;
const RECENT_MS = 7 * 24 * 3_600_000;

/** What runs left behind that should have gone by now. */
export async function leftoverFindings(world: World): Promise<Finding[]> {
  const sight = await lookAround(world);
  const runs = runningSweep(world.folder, sight);
  const old = pendingRequests(world.folder).filter(({ at }) => Date.now() - at > OLD_REQUEST_MS);
  return [
    ok('background run', runs === undefined ? 'none now' : `pid ${runs}`),
    ...(runs === undefined && old.length > 0 ? [oldRequests(old.length)] : []),
    ...deadFences(sight),
    ...sight.written.unread.map(({ file, error }) =>
      fail('state', `could not read ${file}: ${error}`, 'what it might say spares servers; mend it or remove it'),
    ),
    ...failedHooks(world.folder),
  ];
}

function runningSweep(folder: StateFolder, { snapshot }: Sight): number | undefined {
  const claimant = sweeper(folder);
  return claimant && lives(claimant.holder, claimant.machine, snapshot) === 'yes' ? claimant.holder.pid : undefined;
}

const oldRequests = (n: number): Finding =>
  warn(
    'requests',
    `${count(n, 'request')} of ended sessions ${n === 1 ? 'is' : 'are'} still waiting, and no background run is there`,
    'the next session’s hook starts one; opencode-reap --all-stale looks now',
  );

function deadFences({ deadFences }: Sight): Finding[] {
  if (deadFences.length === 0) return [];
  const servers = count(deadFences.length, 'server');
  return [warn('fences', `a run died while it was stopping ${servers}`, 'opencode-reap --all-stale finishes it')];
}

function failedHooks(folder: StateFolder): Finding[] {
  const failed = readLog(folder).filter(
    ({ event, at }) => event === 'hook failed' && Date.now() - Date.parse(at) < RECENT_MS,
  );
  const last = failed.at(-1);
  if (last === undefined) return [];
  const often = count(failed.length, 'time');
  return [warn('log', `a hook failed ${often} in 7 days, last at ${last.at}: ${last.detail}`, 'opencode-reap log')];
}
