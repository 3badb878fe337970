import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { onTestFinished } from 'vitest';

type Call =
  | 'openSync'
  | 'statSync'
  | 'lstatSync'
  | 'readSync'
  | 'writeSync'
  | 'renameSync'
  | 'linkSync'
  | 'unlinkSync'
  | 'fsyncSync'
  | 'readdirSync';

/**
 * Has something happen before one of node's own calls, each time or as `happens` tells by how often it was called, until
 * the test is over. Returns what it was called with so far.
 */
export function meanwhile(name: Call, happens: (nth: number, args: readonly unknown[]) => void = () => undefined) {
  const calls: unknown[][] = [];
  const real = fs[name] as (...args: unknown[]) => unknown;
  const put = (call: unknown): void => {
    Object.assign(fs, { [name]: call });
    syncBuiltinESMExports();
  };
  put((...args: unknown[]) => {
    calls.push(args);
    happens(calls.length, args);
    return real(...args);
  });
  onTestFinished(() => put(real));
  return calls;
}

/** What the system answers instead. */
export function fail(code: string): never {
  throw Object.assign(new Error(code), { code });
}
