import { spawnSync } from 'node:child_process';

/** Runs what follows with a loopback interface and nothing else. */
export const WITHOUT_NETWORK: readonly [string, ...string[]] = [
  'unshare',
  '--map-root-user',
  '--net',
  'sh',
  '-c',
  'ip link set lo up && exec "$@"',
  'sh',
];

const [command, ...words] = WITHOUT_NETWORK;
const tried = spawnSync(command, [...words, 'true'], { encoding: 'utf8' });

/** What a test that needs this says where it is skipped; empty where it can run. */
export const withoutNamespaces =
  tried.status === 0
    ? ''
    : ` (skipped: no network namespace can be made here: ${`${tried.stderr ?? tried.error}`.trim()})`;
