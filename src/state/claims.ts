import { join } from 'node:path';
import type { Identity, Machine } from '../decide/identity.js';
import { createFile, readSmall, removeUnchanged } from './files.js';
import type { StateFolder } from './folders.js';
import { identity, isObject, machine, parseOurs, SCHEMA } from './parse.js';

/** Who holds a claim. */
export interface Claimant {
  readonly holder: Identity;
  readonly machine: Machine;
}

export type Claim =
  | { readonly kind: 'ours'; readonly release: () => void }
  | { readonly kind: 'taken'; readonly by: Claimant; readonly takeAway: () => void }
  | { readonly kind: 'unread'; readonly file: string; readonly error: string };

/** The right to start a server on one port, so that two at the same moment start one. */
export const claimStart = (folder: StateFolder, port: number, claimant: Claimant): Claim =>
  claim(startFile(folder, port), claimant);

/** The right to be the one background run of this user. */
export const claimSweep = (folder: StateFolder, claimant: Claimant): Claim => claim(sweepFile(folder), claimant);

/** Who is starting a server on this port now; undefined when nobody claims it. */
export const starterOn = (folder: StateFolder, port: number): Claimant | undefined => holderOf(startFile(folder, port));

/** Who is the background run now; undefined when nobody claims it. */
export const sweeper = (folder: StateFolder): Claimant | undefined => holderOf(sweepFile(folder));

function holderOf(file: string): Claimant | undefined {
  const read = readSmall(file);
  const claimant = read.kind === 'text' ? parseClaimant(read.text) : undefined;
  return typeof claimant === 'object' ? claimant : undefined;
}

const startFile = (folder: StateFolder, port: number): string => join(folder.starts, `${port}.json`);

const sweepFile = (folder: StateFolder): string => join(folder.root, 'sweep.json');

/** It holds as long as its holder lives; `takeAway` removes it only while it is still that holder's. */
function claim(file: string, claimant: Claimant): Claim {
  const content = `${JSON.stringify({ schema: SCHEMA, ...claimant, at: new Date().toISOString() }, null, 2)}\n`;
  if (createFile(file, content)) return { kind: 'ours', release: () => void removeUnchanged(file, content) };
  const read = readSmall(file);
  if (read.kind === 'absent') return claim(file, claimant);
  const by = read.kind === 'text' ? parseClaimant(read.text) : read.error;
  if (typeof by === 'string' || read.kind !== 'text') return { kind: 'unread', file, error: String(by) };
  return { kind: 'taken', by, takeAway: () => void removeUnchanged(file, read.text) };
}

/** Who claims, or a sentence that says why it cannot be told. */
export function parseClaimant(content: string): Claimant | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const holder = isObject(json.holder) ? identity(json.holder.pid, json.holder.startToken) : undefined;
  const here = machine(json.machine);
  return holder && here ? { holder, machine: here } : 'it names no process';
}
