import { basename, join } from 'node:path';
import type { Identity, Machine } from '../decide/identity.js';
import type { Fence, ServerRecord, Trust } from '../decide/record.js';
import { createFile, readSmall, removeFile, removeUnchanged, replaceFile } from './files.js';
import type { StateFolder } from './folders.js';
import { identity, isObject, machine, parseOurs, port, SCHEMA, text } from './parse.js';
import { parseRecord } from './record-file.js';

/** A fence that this run holds: the right to stop one server. */
export interface HeldFence {
  readonly id: string;
  /** Writes down the tree as it is now, so that another run can finish what this one began. */
  readonly note: (tree: readonly Identity[]) => void;
  /** The server stays: the record goes back. */
  readonly withdraw: () => void;
  /** The server is gone: nothing remains. */
  readonly close: () => void;
}

export interface Stopper {
  readonly run: Identity;
  readonly machine: Machine;
}

/**
 * Claims a server by linking a complete file into place, then takes its record away, so that whoever reads the
 * folder sees either the record or the fence. Undefined when another run was first, or the record has changed.
 */
export function raiseFence(
  folder: StateFolder,
  record: ServerRecord,
  stopper: Stopper,
  tree: readonly Identity[],
): HeldFence | undefined {
  const file = fenceFile(folder, record.id);
  const native = record.source.format === 'native';
  const read = native ? readSmall(record.source.file) : undefined;
  if (native && read?.kind !== 'text') return undefined;
  const original = read?.kind === 'text' ? read.text : undefined;
  if (original !== undefined && !isAsJudged(record, original)) return undefined;
  const format = (members: readonly Identity[]): string => formatFence(record, stopper, members, original);
  if (!createFile(file, format(tree))) return undefined;
  if (original !== undefined && !removeUnchanged(record.source.file, original)) {
    removeFile(file);
    return undefined;
  }
  return {
    id: record.id,
    note: (members) => replaceFile(file, format(members)),
    withdraw: () => {
      if (original !== undefined) createFile(record.source.file, original);
      removeFile(file);
    },
    close: () => removeFile(file),
  };
}

/** What has been written there since the look may say that it is the user's, and nobody has judged that. */
function isAsJudged(record: ServerRecord, text: string): boolean {
  const now = parseRecord(record.source.file, text, record.trust);
  return typeof now !== 'string' && contentOf(now) === contentOf(record);
}

const contentOf = ({ password, alsoIn: _, ...content }: ServerRecord): string =>
  JSON.stringify([password?.reveal(), content]);

/**
 * Ends the fence of a run that died, for the one run that takes it; a fence that another run has raised meanwhile is
 * left alone. The record of a server that lives goes back, and only from here, so that no slower run brings back one
 * whose server a faster run has stopped by then.
 */
export function liftFence(fence: Fence, recordGoesBack: boolean): void {
  if (!removeUnchanged(fence.file, fence.content) || !recordGoesBack) return;
  if (fence.record && fence.original !== undefined) createFile(fence.record.source.file, fence.original);
}

export const fenceFile = (folder: StateFolder, id: string): string => join(folder.closing, `${id}.json`);

function formatFence(
  record: ServerRecord,
  { run, machine: here }: Stopper,
  tree: readonly Identity[],
  original: string | undefined,
): string {
  const json = {
    schema: SCHEMA,
    id: record.id,
    run,
    machine: here,
    tree,
    source: record.source,
    port: record.port,
    record: original ?? null,
    at: new Date().toISOString(),
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}

/**
 * The fence in a file of ours, or a sentence that says why there is none. What a fence names is ended and its record
 * put back without further proof, so one that somebody else could have written is none.
 */
export function parseFence(folder: StateFolder, file: string, content: string, trust: Trust): Fence | string {
  if (trust.kind !== 'trusted') return trust.because;
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const run = isObject(json.run) ? identity(json.run.pid, json.run.startToken) : undefined;
  const here = machine(json.machine);
  const id = text(json.id);
  if (run === undefined || here === undefined || id === undefined || !Array.isArray(json.tree))
    return 'it names no run';
  if (basename(file) !== `${id}.json`) return 'its id is not its name';
  const tree = json.tree.flatMap((member) => (isObject(member) ? (identity(member.pid, member.startToken) ?? []) : []));
  const original = text(json.record);
  const record = original === undefined ? undefined : parseRecord(join(folder.servers, `${id}.json`), original, trust);
  if (typeof record === 'string') return `its record: ${record}`;
  return { id, file, run, machine: here, tree, port: port(json.port) ?? record?.port, record, original, content };
}
