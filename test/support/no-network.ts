import { spawnSync } from 'node:child_process';

/** Runs the following command with a loopback interface and nothing else. */
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

/** Why a test that needs this is skipped; empty if it can run. */
export const withoutNamespaces =
  tried.status === 0
    ? ''
    : ` (skipped: no network namespace can be made here: ${`${tried.stderr ?? tried.error}`.trim()})`;
