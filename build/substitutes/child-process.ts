import { require } from './require.js';

/*
 * In place of `node:child_process` in every bundle: loads it when something is started, which saves
 * 2 ms. Safe because nothing but these four is used of it, and each call goes to the real one with all that it was given.
 */

type Loaded = typeof import('node:child_process');

const load = (): Loaded => require('node:child_process');

export const spawnSync = ((...args: [never]) => load().spawnSync(...args)) as Loaded['spawnSync'];
export const spawn = ((...args: [never]) => load().spawn(...args)) as Loaded['spawn'];
/** By tree-kill. */
export const exec = ((...args: [never]) => load().exec(...args)) as Loaded['exec'];

const PROMISED = Symbol.for('nodejs.util.promisify.custom');

/** `promisify` takes what the real function has for it, so it must be here as well. */
export const execFile = Object.assign(((...args: [never]) => load().execFile(...args)) as Loaded['execFile'], {
  [PROMISED]: (...args: [never]) =>
    (load().execFile as unknown as Record<symbol, (...all: [never]) => Promise<unknown>>)[PROMISED]?.(...args),
});

export default { spawn, spawnSync, exec, execFile };
