import { join } from 'node:path';
import type { Identity, Machine } from '../decide/identity.js';
import type { Answer } from '../decide/lives.js';
import { attempt, createFile, modifiedAt, readSmall, removeUnchanged, touch } from './files.js';
import type { StateFolder } from './folders.js';
import { identity, isObject, machine, parseOurs, SCHEMA, wholeNumber } from './parse.js';

/** Who holds a claim. */
export interface Claimant {
  readonly holder: Identity;
  readonly machine: Machine;
  /** How long the claim counts after its last sign of life where nobody can tell whether its holder lives. */
  readonly holdsMs: number;
}

/** A claim as it was found. */
export interface Held extends Claimant {
  /** When it was made or renewed, epoch milliseconds by the file's own time. */
  readonly seenAt: number;
}

export type Claim =
  | { readonly kind: 'ours'; readonly renew: () => void; readonly release: () => void }
  | { readonly kind: 'taken'; readonly by: Held; readonly takeAway: () => void }
  | { readonly kind: 'unread'; readonly file: string; readonly error: string };

/** The right to start a server on one port, so that two at the same moment start one. */
export const claimStart = (folder: StateFolder, port: number, claimant: Claimant): Claim =>
  claim(startFile(folder, port), claimant);

/** The right to be the one background run of this user. */
export const claimSweep = (folder: StateFolder, claimant: Claimant): Claim => claim(sweepFile(folder), claimant);

/**
 * A container that was rebuilt over a kept home, or a system that does not tell one boot from another, leaves holders
 * that nobody can examine: their claims would count for ever. The difference is either way, since clocks are set back.
 */
export const isVoid = ({ seenAt, holdsMs }: Held, lives: Answer): boolean =>
  lives === 'no' || (lives === 'unknown' && Math.abs(Date.now() - seenAt) > holdsMs);

/** Who is starting a server on this port now; undefined when nobody claims it. */
export const starterOn = (folder: StateFolder, port: number): Held | undefined => holderOf(startFile(folder, port));

/** Who is the background run now; undefined when nobody claims it. */
export const sweeper = (folder: StateFolder): Held | undefined => holderOf(sweepFile(folder));

function holderOf(file: string): Held | undefined {
  const read = readSmall(file);
  const claimant = read.kind === 'text' ? parseClaimant(read.text) : undefined;
  return typeof claimant === 'object' ? { ...claimant, seenAt: modifiedAt(file) } : undefined;
}

const startFile = (folder: StateFolder, port: number): string => join(folder.starts, `${port}.json`);

const sweepFile = (folder: StateFolder): string => join(folder.root, 'sweep.json');

/** It counts as long as its holder lives; `takeAway` removes it only while it is still that holder's. */
function claim(file: string, claimant: Claimant): Claim {
  const content = `${JSON.stringify({ schema: SCHEMA, ...claimant, at: new Date().toISOString() }, null, 2)}\n`;
  if (createFile(file, content))
    return {
      kind: 'ours',
      renew: () => touch(file),
      release: () => void attempt(() => removeUnchanged(file, content)),
    };
  const read = readSmall(file);
  if (read.kind === 'absent') return claim(file, claimant);
  const by = read.kind === 'text' ? parseClaimant(read.text) : read.error;
  if (typeof by === 'string' || read.kind !== 'text') return { kind: 'unread', file, error: String(by) };
  return {
    kind: 'taken',
    by: { ...by, seenAt: modifiedAt(file) },
    takeAway: () => void removeUnchanged(file, read.text),
  };
}

/** Who claims, or a sentence that says why it cannot be told. */
export function parseClaimant(content: string): Claimant | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const holder = isObject(json.holder) ? identity(json.holder.pid, json.holder.startToken) : undefined;
  const here = machine(json.machine);
  if (holder === undefined || here === undefined) return 'it names no process';
  return { holder, machine: here, holdsMs: wholeNumber(json.holdsMs) ?? UNSAID_MS };
}

/** Of claims of earlier versions, which do not say it and are never renewed. */
const UNSAID_MS = 10 * 60_000;
