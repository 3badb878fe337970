import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isPatient } from './patience.js';
import { waitFor } from './wait.js';

const KILLS = fileURLToPath(new URL('kill-at-step.cjs', import.meta.url));
const ACTOR = fileURLToPath(new URL('fence-actor.mjs', import.meta.url));

/** Has the program SIGKILLed before its n-th step that opens a file for writing, writes, links, renames or removes. */
export const killedAt = (step: number): Record<string, string> => ({
  NODE_OPTIONS: `--require=${KILLS}`,
  KILL_AT_STEP: `${step}`,
});

/** Does one thing to the fence in a state folder, as this run; true when it was killed before it was done. */
export const actOnFence = (stateDir: string, what: string, step: number, run = '999998-1'): boolean => {
  const env = step > 0 ? killedAt(step) : {};
  const { status, signal, stderr }: SpawnSyncReturns<string> = spawnSync(
    process.execPath,
    [ACTOR, stateDir, what, run],
    { env, encoding: 'utf8' },
  );
  if (status !== 0 && signal !== 'SIGKILL') throw new Error(`${what}, step ${step}: ${signal ?? status}\n${stderr}`);
  return signal === 'SIGKILL';
};

/** Lifts every fence, held up before one step; `meanwhile` runs then. False when it was done before that step. */
export const liftHeldUpAt = async (
  stateDir: string,
  how: 'back' | 'stay',
  step: number,
  meanwhile: () => void,
): Promise<boolean> => {
  const env = { ...killedAt(step), SIGNAL_AT_STEP: 'SIGSTOP' };
  const child = spawn(process.execPath, [ACTOR, stateDir, how, 'self'], { env, stdio: 'inherit' });
  const over = once(child, 'exit');
  const isStopped = (): boolean => /\) T /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8'));
  const heldUp = await waitFor('it stops or is over', () =>
    child.exitCode !== null ? 'over' : isStopped() && 'stopped',
  );
  try {
    if (heldUp === 'stopped') meanwhile();
  } finally {
    child.kill('SIGCONT');
  }
  await over;
  return heldUp === 'stopped';
};

/**
 * Trying every step takes minutes; otherwise each sweep tries one in eight or sixteen, other ones on another day of the
 * month.
 */
const EVERY = process.env.OPENCODE_REAP_EVERY_STEP === '1' ? 1 : isPatient ? 8 : 16;

/** More steps than anything here takes. */
const MOST = 120;

/**
 * Does something with the program killed before one step after another, until it is done before that step comes;
 * returns at how many of them it was killed.
 */
export const sweepSteps = async (killed: (step: number) => Promise<boolean>, every = EVERY): Promise<number> => {
  let count = 0;
  for (let step = 1 + (new Date().getDate() % every); step < MOST; step += every) {
    if (!(await killed(step))) return count;
    count += 1;
  }
  throw new Error(`not done after ${MOST} steps`);
};
