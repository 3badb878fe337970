import type { Marks, Registration } from '../model/owner.js';
import { lineage, type Process } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { programAbove } from './programs-above.js';
import { claimOf } from './registrations.js';

/**
 * Whose a server is, as far as that can be known. Nothing of it makes a server stale: what is missing, wrong or a lie
 * leaves it to the guards.
 */
export type Owner =
  /** Its record says so. */
  | { readonly kind: 'plugin'; readonly name: string | undefined }
  | { readonly kind: 'adopted' | 'user' }
  /** Another program wrote it down; `isSure` if that one runs. */
  | { readonly kind: 'program'; readonly name: string; readonly pid: number | undefined; readonly isSure: true }
  | { readonly kind: 'program'; readonly name: string; readonly isSure: false; readonly doubt: string }
  | { readonly kind: 'daemon' }
  /** Its environment says so. */
  | { readonly kind: 'manager'; readonly name: string; readonly pid: number | undefined }
  | { readonly kind: 'service'; readonly unit: string }
  /** A program that people work in, or that looks after others, runs above it. */
  | { readonly kind: 'app'; readonly name: string; readonly pid: number }
  | { readonly kind: 'terminal'; readonly terminal: string | undefined; readonly within: string | undefined }
  /** It could not be read whether it has a terminal. */
  | { readonly kind: 'hidden' }
  /** What runs above it says nothing about whose it is. */
  | { readonly kind: 'parent'; readonly name: string; readonly pid: number }
  /** In what it was started, which may have ended since. */
  | { readonly kind: 'from'; readonly name: string; readonly pid: number | undefined; readonly isThere: boolean }
  | { readonly kind: 'unknown' };

/** What is known of one server. The launcher counts as the server. */
export interface Owned {
  readonly record: ServerRecord;
  readonly processes: readonly Process[];
  readonly ports: readonly number[];
  readonly registrations: readonly Registration[];
}

/** The first that applies: what was written down about this very server before what only stands around it. */
export function ownerOf(owned: Owned, snapshot: Snapshot): Owner {
  const { record, processes } = owned;
  if (record.ownership === 'adopted') return { kind: 'adopted' };
  const claim = claimOf(owned, snapshot);
  if (claim && claim.live !== 'no') return claimant(claim.registration, claim.holder, claim.live === 'yes');
  const server = processes.at(-1);
  if (server === undefined) return recordedOwner(record) ?? { kind: 'unknown' };
  if (server.command?.kind === 'serve' && server.command.sharedDaemon) return { kind: 'daemon' };
  const marks = snapshot.environments.get(server.pid)?.marks;
  const around = managerOf(server, marks, snapshot) ?? serviceOf(server, marks, snapshot);
  return (
    around ??
    // What a plugin does not detach is below its session, in that session's terminal.
    (record.isAttached ? undefined : placeOf(server, record, snapshot)) ??
    recordedOwner(record) ??
    (claim ? { kind: 'from', name: nameOf(claim.registration), pid: claim.holder, isThere: false } : undefined) ??
    originOf(server, processes[0] ?? server, marks, snapshot) ?? { kind: 'unknown' }
  );
}

/** Whether it spares a server that is recorded as a plugin's. A person's word outranks all of them. */
export function sparesByOwner(owner: Owner): 'yes' | 'no' | 'unknown' {
  if (owner.kind === 'program') return owner.isSure ? 'yes' : 'unknown';
  if (owner.kind === 'hidden') return 'unknown';
  return ['daemon', 'manager', 'service', 'app', 'terminal'].includes(owner.kind) ? 'yes' : 'no';
}

/** In words: after "whose:", and after "it belongs to". */
export function whose(owner: Owner): string {
  switch (owner.kind) {
    case 'plugin':
      return owner.name ?? 'a plugin';
    case 'adopted':
      return 'you, handed over';
    case 'user':
      return 'you, by its record';
    case 'program':
      return owner.isSure ? withPid(owner.name, owner.pid) : `perhaps ${owner.name}`;
    case 'manager':
      return withPid(owner.name, owner.pid);
    case 'daemon':
      return 'OpenCode’s own daemon';
    case 'service':
      return owner.unit;
    case 'app':
      return withPid(owner.name, owner.pid);
    case 'terminal':
      return atTerminal(owner.terminal, owner.within);
    case 'parent':
      return `below ${withPid(owner.name, owner.pid)}`;
    case 'from':
      return owner.isThere ? `from ${withPid(owner.name, owner.pid)}` : `left by ${withPid(owner.name, owner.pid)}`;
    case 'hidden':
    case 'unknown':
      return 'unknown';
  }
}

/** Why it cannot be told whether another's claim spares it; undefined where that can be told. */
export function whyOwnerDoubted(owner: Owner): string | undefined {
  if (owner.kind === 'hidden') return 'cannot tell whether it runs at a terminal';
  return owner.kind === 'program' && !owner.isSure
    ? `cannot tell whether it is ${owner.name}’s: ${owner.doubt}`
    : undefined;
}

const withPid = (name: string, pid: number | undefined): string => (pid === undefined ? name : `${name}, pid ${pid}`);

function atTerminal(terminal: string | undefined, within: string | undefined): string {
  if (within !== undefined) return `you, in ${within}${terminal === undefined ? '' : ` (${terminal})`}`;
  return terminal === undefined ? 'you, at a terminal' : `you, in ${terminal}`;
}

const nameOf = ({ by, variant }: Registration): string => (variant === undefined ? by : `${by} (${variant})`);

const claimant = (registration: Registration, pid: number | undefined, isSure: boolean): Owner =>
  isSure
    ? { kind: 'program', name: nameOf(registration), pid, isSure }
    : {
        kind: 'program',
        name: nameOf(registration),
        isSure,
        doubt: `${registration.file}: ${registration.doubt ?? 'its process cannot be compared'}`,
      };

function recordedOwner({ ownership, plugin, trust }: ServerRecord): Owner | undefined {
  if (ownership === 'user') return { kind: 'user' };
  return ownership === 'plugin' && trust.kind === 'trusted' ? { kind: 'plugin', name: plugin } : undefined;
}

/** What a server runs inherits its environment: there the mark says nothing about whose that is. */
function managerOf(server: Process, marks: Marks | undefined, snapshot: Snapshot): Owner | undefined {
  const environment = snapshot.environments.get(server.pid);
  if (marks === undefined || environment?.opencodePid !== undefined || environment?.inOpencode) return undefined;
  const ade = marks.adePid === undefined ? undefined : snapshot.processes?.get(marks.adePid);
  if (marks.ade && marks.adePid === undefined) return { kind: 'manager', name: 'ADE', pid: undefined };
  if (marks.ade && ade && isOlder(ade, server)) return { kind: 'manager', name: 'ADE', pid: ade.pid };
  return marks.kimaki ? { kind: 'manager', name: 'Kimaki', pid: undefined } : undefined;
}

/** In doubt it is: then it spares. */
const isOlder = (one: Process, other: Process): boolean =>
  one.ageMs === undefined || other.ageMs === undefined || one.ageMs >= other.ageMs;

/**
 * The group of a service is inherited by all that is started in it, as in the terminals of an editor that runs as one.
 * So only what the manager itself started counts, and what still runs below that.
 */
function serviceOf(server: Process, marks: Marks | undefined, { units, processes }: Snapshot): Owner | undefined {
  const unit = units?.get(server.pid) ?? 'a service';
  if (marks?.servicePid === undefined || !(isService(unit) || unit === 'a service')) return undefined;
  const isStarted = lineage(processes ?? new Map(), server.pid).has(marks.servicePid);
  return isStarted ? { kind: 'service', unit } : undefined;
}

/** Desktops run each program as a unit of its own, and what its user starts in it is that user's. */
const isService = (unit: string): boolean => /\.service$/.test(unit) && !/^(app-|user@|run-)/.test(unit);

/** Where it runs: below something that people work in, or at a terminal. A plugin detaches its server from both. */
function placeOf(server: Process, record: ServerRecord, snapshot: Snapshot): Owner | undefined {
  const above = programAbove(server, snapshot);
  // A session and its plugins are below Claude Code, which has leases for that.
  if (above?.is === 'claude' && record.ownership === 'unrecorded') return app(above.name, above.pid);
  const within = above?.is === 'claude' ? undefined : above;
  if (server.terminal) return { kind: 'terminal', terminal: server.tty, within: within?.name };
  if (within) return app(within.name, within.pid);
  return server.terminal === undefined && showsTerminals(snapshot) && record.ownership !== 'unrecorded'
    ? { kind: 'hidden' }
    : undefined;
}

/** A platform that shows none says nothing by that; one that shows our own would show the server's. */
const showsTerminals = ({ processes, self }: Snapshot): boolean => processes?.get(self)?.terminal !== undefined;

const app = (name: string, pid: number): Owner => ({ kind: 'app', name, pid });

function originOf(
  server: Process,
  top: Process,
  marks: Marks | undefined,
  { processes, environments, units }: Snapshot,
): Owner | undefined {
  const parent = processes?.get(top.parent);
  if (parent && !REAPERS.test(parent.name)) return { kind: 'parent', name: parent.name, pid: parent.pid };
  const from = (name: string, pid: number | undefined): Owner => {
    const seen = pid === undefined ? undefined : processes?.get(pid);
    return { kind: 'from', name, pid, isThere: seen !== undefined && isOlder(seen, server) };
  };
  const { opencodePid, inOpencode } = environments.get(server.pid) ?? {};
  if (opencodePid !== undefined || inOpencode) return from('OpenCode', numberIn(opencodePid));
  if (marks?.ade) return from('ADE', marks.adePid);
  if (marks?.claude) return from('Claude Code', marks.claudePid);
  const unit = units?.get(server.pid);
  return unit !== undefined && isService(unit) ? from(unit, undefined) : undefined;
}

const numberIn = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;

/** What takes in the orphans of others. */
const REAPERS = /^(systemd|init|\(sd-pam\)|launchd|tini|dumb-init|docker-init|catatonit|podman-init)$/;
