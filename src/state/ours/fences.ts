import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isObject } from '../../common/json.js';
import type { Host, Identity } from '../../model/identity.js';
import type { Fence, ServerRecord, Trust } from '../../model/record.js';
import { isoTime } from '../files/iso-time.js';
import { formatOurs, identity, machine, parseOurs, port, text } from '../files/parse.js';
import { holds, readSmall } from '../files/read.js';
import {
  attempt,
  createFile,
  moveFile,
  removeFile,
  removeUnchanged,
  replaceFile,
  setModified,
} from '../files/write.js';
import type { StateFolder } from '../folders.js';
import { parseRecord } from './record-file.js';

/** A fence that this run holds: the right to stop one server. */
export interface HeldFence {
  readonly id: string;
  /** Writes down the tree as it is now, so that another run can finish what this one began. */
  readonly note: (tree: readonly Identity[]) => void;
  /** Its server gets its signal next, and may end whatever is seen of it by then. */
  readonly begin: () => void;
  /**
   * The server stays: puts the record back. Once its signal was due, the fence stays beside its record, as that of a run
   * that has died.
   */
  readonly withdraw: () => void;
  /** The server is gone: removes the fence. */
  readonly close: () => void;
}

export interface Stopper {
  readonly run: Identity;
  readonly machine: Host;
}

/**
 * Claims a server by linking a complete file into place, then removes its record, so that a reader of the folder sees
 * either the record or the fence. `taken` when another run was first, `changed` when the record is not what was judged.
 */
export function raiseFence(
  folder: StateFolder,
  record: ServerRecord,
  stopper: Stopper,
  tree: readonly Identity[],
): HeldFence | 'taken' | 'changed' {
  const file = fenceFile(folder, record.id);
  const native = record.source.format === 'native';
  const read = native ? readSmall(record.source.file) : undefined;
  if (native && read?.kind !== 'text') return existsSync(file) ? 'taken' : 'changed';
  const original = read?.kind === 'text' ? read.text : undefined;
  if (original !== undefined && !isAsJudged(record, original)) return 'changed';
  const format = (members: readonly Identity[]): string => formatFence(record, stopper, members, original);
  if (!createFile(file, format(tree))) return 'taken';
  if (original !== undefined && !isTakenAway(record.source.file, original, file)) {
    removeFile(file);
    return 'changed';
  }
  let fate: Fate = 'lives';
  // From here on a fence that cannot be changed or removed is finished by the next run: it is complete as it is.
  return {
    id: record.id,
    note: (members) => void attempt(() => replaceFile(file, format(members))),
    begin: () => {
      fate = 'may be ending';
    },
    withdraw: () =>
      void attempt(() => {
        putRecordBack(record.source.file, original);
        // The minute in which it may end begins now, however long it was waited for.
        setModified(file, Date.now());
        standOrGo(file, fate, { id: record.id, file, run: stopper.run });
      }),
    close: () => void attempt(() => removeFile(file)),
  };
}

/** If the record cannot be removed, it stays, and so does its server: then there is nothing to finish. */
function isTakenAway(record: string, original: string, fence: string): boolean {
  try {
    return removeUnchanged(record, original);
  } catch (error) {
    attempt(() => removeFile(fence));
    throw error;
  }
}

/**
 * Before its fence goes: a run that dies in between leaves both, and one that cannot write the record leaves the fence. It
 * is there already when a run died in between, or before it had removed the record.
 */
function putRecordBack(record: string, original: string | undefined): void {
  if (original !== undefined && readSmall(record).kind !== 'text') createFile(record, original);
}

/** A record that was rewritten since the look may say that the server is the user's, and that was not judged. */
function isAsJudged(record: ServerRecord, text: string): boolean {
  const now = parseRecord(record.source.file, text, record.trust);
  return typeof now !== 'string' && contentOf(now) === contentOf(record);
}

const contentOf = ({ password, alsoIn: _, ...content }: ServerRecord): string =>
  JSON.stringify([password?.reveal(), content]);

/**
 * What has become of the server of a run that died. One that lives may have got its signal from that run, and end later:
 * only its fence says by then what it leaves.
 */
export type Fate = 'gone' | 'lives' | 'may be ending';

/**
 * Ends the fence of a run that died, for the one run that takes it over; a fence that another run has raised in the
 * meantime is left alone. The record of a living server goes back, and only from here, so that a slow run cannot bring
 * back a record whose server a faster run has stopped by then. Until the record is back, the fence exists under the
 * name of this run: while this run lives, however long it is held up, no other run finishes it, and once it has died
 * the next run does. While the server may be ending, the fence stays beside its record, as that of the dead run, and
 * keeps nobody from raising another one.
 */
export function liftFence(fence: Fence, fate: Fate, stopper: Stopper): void {
  attempt(() => takeAndEnd(fence, fate, stopper));
}

function takeAndEnd(fence: Fence, fate: Fate, stopper: Stopper): void {
  if (!holds(fence.file, fence.content)) return;
  const taken = join(dirname(fence.file), `${fence.id}${takenBy(stopper.run)}.json`);
  if (!moveFile(fence.file, taken)) return;
  if (!holds(taken, fence.content)) {
    handBack(taken, fence);
    return;
  }
  // The name identifies the run, but only the content identifies the machine, which the dead run may have shared with
  // an earlier boot.
  attempt(() => replaceFile(taken, JSON.stringify({ ...JSON.parse(fence.content), ...stopper }, null, 2)));
  const { record, original, recordIsBack } = fence;
  if (record && fate !== 'gone' && !recordIsBack) putRecordBack(record.source.file, original);
  standOrGo(taken, fate, fence);
}

function standOrGo(current: string, fate: Fate, { id, file, run }: Pick<Fence, 'id' | 'file' | 'run'>): void {
  if (fate === 'may be ending') moveFile(current, join(dirname(file), `${id}${takenBy(run)}${BACK}.json`));
  else removeFile(current);
}

/** Says of a fence that its record is back. */
const BACK = '.back';

/** Another run has raised a fence between the look and the move. */
function handBack(taken: string, { file }: Fence): void {
  const read = readSmall(taken);
  if (read.kind === 'text') createFile(file, read.text);
  removeFile(taken);
}

export const fenceFile = (folder: StateFolder, id: string): string => join(folder.closing, `${id}.json`);

/** The part of a fence's name that identifies the run that has taken it over from a dead one. */
const takenBy = ({ pid, startToken }: Identity): string => `@${pid}-${startToken ?? 'unknown'}`;

interface Named {
  /** Undefined if the fence still belongs to the run that raised it. */
  readonly taker: Identity | undefined;
  readonly recordIsBack: boolean;
}

/** What a fence's name says; undefined if it is not one for that id. */
function readName(name: string, id: string): Named | undefined {
  if (name === `${id}.json`) return { taker: undefined, recordIsBack: false };
  const rest = name.startsWith(`${id}@`) ? name.slice(id.length) : '';
  const [, pid, token, back] = /^@(\d+)-(.+?)(\.back)?\.json$/.exec(rest) ?? [];
  const taker = identity(Number(pid), token);
  return taker && { taker, recordIsBack: back !== undefined };
}

function formatFence(
  record: ServerRecord,
  { run, machine: here }: Stopper,
  tree: readonly Identity[],
  original: string | undefined,
): string {
  return formatOurs({
    id: record.id,
    run,
    machine: here,
    tree,
    source: record.source,
    port: record.port,
    record: original ?? null,
    at: isoTime(),
  });
}

/**
 * The fence in one of our files, or a sentence that says why it is not valid. What a fence names is ended, and its
 * record put back, without further proof, so a file that anyone else could have written is not a valid fence.
 */
export function parseFence(
  folder: StateFolder,
  file: string,
  content: string,
  trust: Trust,
  seenAt: number,
): Fence | string {
  if (trust.kind !== 'trusted') return trust.because;
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const run = isObject(json.run) ? identity(json.run.pid, json.run.startToken) : undefined;
  const here = machine(json.machine);
  const id = text(json.id);
  if (run === undefined || here === undefined || id === undefined || !Array.isArray(json.tree))
    return 'it does not name a run';
  const named = readName(basename(file), id);
  if (named === undefined) return 'its id does not match its file name';
  const tree = json.tree.flatMap((member) => (isObject(member) ? (identity(member.pid, member.startToken) ?? []) : []));
  const original = text(json.record);
  const record = original === undefined ? undefined : parseRecord(join(folder.servers, `${id}.json`), original, trust);
  if (typeof record === 'string') return `its record: ${record}`;
  return {
    id,
    file,
    run: named.taker ?? run,
    machine: here,
    tree,
    port: port(json.port) ?? record?.port,
    record,
    original,
    recordIsBack: named.recordIsBack,
    content,
    seenAt,
  };
}
