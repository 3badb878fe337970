import { parseDuration } from '../common/duration.js';
import type { Variables } from '../common/variables.js';
import { classify } from '../model/command-line.js';
import type { ReapError } from './api.js';
import { TAKEN } from './option-names.js';

/*
 * Checks of what callers of the library pass, made before anything is done: they may be written in JavaScript, and
 * values may come from a user's settings.
 */

export const failure = (error: string, hint: string): ReapError => Object.assign(new Error(error), { hint });

/** Types are only checked by TypeScript, so check them here. Null counts as left out, like `??` in a caller's code. */
const as = <T>(
  name: string,
  value: T | null | undefined,
  isOne: (value: unknown) => boolean,
  kind: string,
): T | undefined => {
  if (value === undefined || value === null) return undefined;
  if (isOne(value)) return value;
  throw failure(`${name} is not ${kind}`, `give ${name} as ${kind}, or leave it out`);
};

/** A misspelled option would be left out without a word, and its default used. */
export function known(called: keyof typeof TAKEN, options: object): void {
  if (typeof options !== 'object' || options === null)
    throw failure(`the options of ${called} are not an object`, 'leave them out, or give them as { port: 4096 }');
  const names = Object.keys(TAKEN[called]);
  const said = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  const unknown = said.find(([name]) => !names.includes(name));
  if (unknown) throw failure(`${called} has no option ${unknown[0]}`, `it has ${names.join(', ')}`);
}

/** What a system call accepts: a NUL would cut it short. */
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '' && !value.includes('\0');

export const text = (name: string, value: string | null | undefined): string | undefined =>
  as(name, value, isText, 'a non-empty string');

/** A server whose command is not recognized as OpenCode would be spared forever. */
export function command(value: string | null | undefined): string | undefined {
  const said = text('command', value);
  if (said === undefined || classify([said, 'serve']).kind === 'serve') return said;
  throw failure(`${said} would not be recognized as OpenCode`, 'give the path of a program named opencode');
}

export const texts = (name: string, value: readonly string[] | null | undefined): readonly string[] | undefined =>
  as(name, value, (all) => Array.isArray(all) && all.every((one) => one === '' || isText(one)), 'a list of strings');

export const flag = (name: string, value: boolean | null | undefined): boolean =>
  as(name, value, (one) => typeof one === 'boolean', 'true or false') ?? false;

export const count = (name: string, value: number | null | undefined): number | undefined =>
  as(name, value, (one) => Number.isInteger(one) && Number(one) >= 0, 'a whole number, 0 or more');

export const variables = (name: string, value: Variables | null | undefined): Variables | undefined =>
  as(
    name,
    value,
    (all) => typeof all === 'object' && all !== null && Object.values(all).every(isValue),
    'an object with string values',
  );

const isValue = (value: unknown): boolean => value === undefined || value === '' || isText(value);

export function port(value: number | null | undefined): number | undefined {
  const said = value ?? undefined;
  if (said === undefined || (Number.isInteger(said) && said >= 0 && said < 65_536)) return said;
  throw failure(`${value} is not a port`, 'ports are whole numbers below 65536');
}

export function duration(name: string, ms: number | null | undefined): number | undefined {
  const said = ms ?? undefined;
  if (said === undefined || (Number.isFinite(said) && said >= 0)) return said;
  throw failure(`${name} cannot be ${ms}`, 'times are in milliseconds, 0 or more');
}

/** A value meant as seconds would have a server judged endlessly. */
export function retireAfter(ms: number | null | undefined): number | undefined {
  const after = duration('retireAfter', ms);
  if (after === undefined || after === 0 || after >= 1_000) return after;
  throw failure(`retireAfter cannot be ${after}`, 'it is in milliseconds: 1800000 for half an hour, 0 for never');
}

/** One of the user's variables. Set to an empty string counts as not set. */
export function durationIn(name: string, said: string | undefined): number | undefined {
  const ms = parseDuration(said ?? '');
  if (ms !== undefined || !said) return ms;
  throw failure(`${name} cannot be ${said}`, 'durations look like 500ms, 30s, 5m, 2h or 1d');
}

/** Every 127.x.x.x address is this machine. */
export function loopback(host: string): string {
  if (host === 'localhost') return '127.0.0.1';
  if (/^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host)) return host;
  throw failure(`${host} is not a loopback address`, 'only 127.x.x.x addresses stay on this machine');
}
