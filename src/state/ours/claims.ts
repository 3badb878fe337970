import { join } from 'node:path';
import { isObject } from '../../common/json.js';
import type { Answer } from '../../decide/alive.js';
import { type BootTime, sinceThen } from '../../model/boot-time.js';
import type { Host, Identity } from '../../model/identity.js';
import { isoTime } from '../files/iso-time.js';
import { formatOurs, identity, machine, parseOurs, text, time, wholeNumber } from '../files/parse.js';
import { jsonNames, modifiedAt, readSmall } from '../files/read.js';
import { attempt, createFile, removeUnchanged, replaceFile, setModified } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/** The holder of a claim. */
export interface Claimant {
  readonly holder: Identity;
  readonly machine: Host;
  /** How long the claim counts after its last sign of life, whether or not its holder is alive: it may be frozen. */
  readonly holdsMs: number;
  /** The boot clock. */
  readonly clock: () => number;
  /** Identifies this very claim to its holder, where others act for it. */
  readonly token?: string | undefined;
}

/** A claim as it was found. */
export interface Held extends Omit<Claimant, 'clock'> {
  /** When it was made or renewed, in epoch milliseconds, by the file's own time. */
  readonly seenAt: number;
  /** The same by the boot clock of its holder; undefined for claims of earlier versions. */
  readonly seen: BootTime | undefined;
}

export type Claim =
  | {
      readonly kind: 'ours';
      readonly renew: () => void;
      /** False once another process has found it void and removed it. */
      readonly isOurs: () => boolean;
      /** Gives it to another process for good; false when it is no longer ours to give. */
      readonly handOver: (holder: Identity, holdsMs: number) => boolean;
      readonly release: () => void;
    }
  | { readonly kind: 'taken'; readonly by: Held; readonly takeAway: () => void }
  | { readonly kind: 'unread'; readonly file: string; readonly error: string };

/** The right to start a server on one port, so that only one of two simultaneous callers starts one. */
export const claimStart = (folder: StateFolder, port: number, claimant: Claimant): Claim =>
  claim(startFile(folder, port), claimant);

/** The right to be this user's background run. */
export const claimBackgroundRun = (folder: StateFolder, claimant: Claimant): Claim =>
  claim(sweepFile(folder), claimant);

/** The right to be this user's watch. */
export const claimWatch = (folder: StateFolder, claimant: Claimant): Claim => claim(watchFile(folder), claimant);

/**
 * Whether a claim no longer counts: its holder is gone, or has not renewed it, because it is frozen or because it
 * cannot be examined from here, as after a container was rebuilt over a kept home. By the boot clock if the claim has
 * it; else by the file's time, and then a difference in either direction counts, since clocks are set back.
 */
export function isVoid({ seenAt, seen, holdsMs }: Held, lives: Answer, now: BootTime): boolean {
  if (lives === 'no') return true;
  const silentMs = sinceThen(seen, now);
  return (silentMs ?? Math.abs(Date.now() - seenAt)) > holdsMs;
}

/** The process that is starting a server on this port now; undefined when there is no claim. */
export const starterOn = (folder: StateFolder, port: number): Held | undefined => holderOf(startFile(folder, port));

/** The background run that is running now; undefined when there is no claim. */
export const holderOfBackgroundRun = (folder: StateFolder): Held | undefined => holderOf(sweepFile(folder));

/** The watch that is running now; undefined when there is no claim. */
export const watcher = (folder: StateFolder): Held | undefined => holderOf(watchFile(folder));

/**
 * Every claim on a port, and that of the background run. The watch's own is not among them: whoever finds that its watch
 * has died starts one, or ends what it has left.
 */
export function claimsIn(folder: StateFolder): { readonly held: Held; readonly remove: () => void }[] {
  const listed = jsonNames(folder.starts);
  const starts = listed.kind === 'names' ? listed.names.map((name) => join(folder.starts, name)) : [];
  return [...starts, sweepFile(folder)].flatMap((file) => {
    const read = readSmall(file);
    const held = read.kind === 'text' ? parseHeld(file, read.text) : undefined;
    if (read.kind !== 'text' || typeof held !== 'object') return [];
    return { held, remove: () => void attempt(() => removeUnchanged(file, read.text)) };
  });
}

/**
 * The watch's own claim, for one of its looks, by the token that it was given; undefined when it belongs to another
 * watch by now.
 */
export function watchClaim(
  folder: StateFolder,
  token: string,
  clock: () => number,
): Pick<Extract<Claim, { kind: 'ours' }>, 'renew' | 'isOurs' | 'release'> | undefined {
  const file = watchFile(folder);
  const read = readSmall(file);
  const held = read.kind === 'text' ? parseHeld(file, read.text) : undefined;
  return read.kind === 'text' && typeof held === 'object' && held.token === token
    ? ourClaim(file, read.text, held.made, clock)
    : undefined;
}

function holderOf(file: string): Held | undefined {
  const read = readSmall(file);
  const held = read.kind === 'text' ? parseHeld(file, read.text) : undefined;
  return typeof held === 'object' ? held : undefined;
}

const startFile = (folder: StateFolder, port: number): string => join(folder.starts, `${port}.json`);

export const watchFile = (folder: StateFolder): string => join(folder.root, 'watch.json');

const sweepFile = (folder: StateFolder): string => join(folder.root, 'sweep.json');

/**
 * It counts as long as its holder lives and renews it; `takeAway` removes it only while it still belongs to that
 * holder.
 */
function claim(file: string, claimant: Claimant): Claim {
  const { clock } = claimant;
  const made = { at: Date.now(), ms: clock() };
  const content = formatClaim(claimant, made);
  if (createFile(file, content, 'until reboot')) {
    const ours = ourClaim(file, content, made, clock);
    ours.renew();
    const handOver = (holder: Identity, holdsMs: number): boolean => {
      if (!ours.isOurs()) return false;
      replaceFile(file, formatClaim({ ...claimant, holder, holdsMs }, made), 'until reboot');
      setModified(file, made.at + clock() - made.ms);
      return true;
    };
    return { kind: 'ours', ...ours, handOver };
  }
  const read = readSmall(file);
  if (read.kind === 'absent') return claim(file, claimant);
  const by = read.kind === 'text' ? parseHeld(file, read.text) : read.error;
  if (typeof by === 'string' || read.kind !== 'text') return { kind: 'unread', file, error: String(by) };
  return { kind: 'taken', by, takeAway: () => void removeUnchanged(file, read.text) };
}

/** When a claim was made, by the wall clock and by the boot clock. */
interface Made {
  readonly at: number;
  readonly ms: number;
}

function formatClaim({ clock: _, ...claimant }: Claimant, { at, ms }: Made): string {
  return formatOurs({ ...claimant, at: isoTime(at), bootMs: ms });
}

function ourClaim(file: string, content: string, made: Made | undefined, clock: () => number) {
  const isOurs = (): boolean => isStill(file, content);
  return {
    isOurs,
    // The time that the wall clock would show if it had not been set since, so that the boot clock can be derived from
    // it.
    renew: (): void => {
      if (made && isOurs()) setModified(file, made.at + clock() - made.ms);
    },
    release: (): void => void attempt(() => removeUnchanged(file, content)),
  };
}

function isStill(file: string, content: string): boolean {
  const read = readSmall(file);
  return read.kind === 'text' && read.text === content;
}

/** The claimant, or a sentence that says why it could not be understood. */
export function parseClaimant(content: string): (Omit<Held, 'seenAt' | 'seen'> & { made?: Made }) | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const holder = isObject(json.holder) ? identity(json.holder.pid, json.holder.startToken) : undefined;
  const here = machine(json.machine);
  if (holder === undefined || here === undefined) return 'it does not name a process';
  const claimant = { holder, machine: here, holdsMs: wholeNumber(json.holdsMs) ?? UNSAID_MS, token: text(json.token) };
  const [at, ms] = [time(json.at), wholeNumber(json.bootMs)];
  return at === undefined || ms === undefined ? claimant : { ...claimant, made: { at, ms } };
}

function parseHeld(file: string, content: string): (Held & { made?: Made }) | string {
  const claimant = parseClaimant(content);
  if (typeof claimant === 'string') return claimant;
  const seenAt = modifiedAt(file);
  const { made, machine } = claimant;
  const seen = made && { boot: machine.boot, ms: made.ms + Math.round(seenAt - made.at) };
  return { ...claimant, seenAt, seen };
}

/** For claims of earlier versions, which do not record it and are never renewed. */
const UNSAID_MS = 10 * 60_000;
