import { basename, join } from 'node:path';
import { isObject } from '../../common/json.js';
import type { Fence, KeepMark, Lease, ServerRecord, Trust } from '../../model/record.js';
import type { LiveRun, Unread, Written } from '../../model/written.js';
import { type Here, readClaudeSessions } from '../claude-sessions.js';
import { isoTime } from '../files/iso-time.js';
import { formatOurs, identity, machine, objects, parseOurs } from '../files/parse.js';
import { jsonNames, readSmall } from '../files/read.js';
import { type Parser, readFolder } from '../files/read-folder.js';
import { attempt, removeFile, removeUnchanged, replaceFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';
import { parseClaimant } from './claims.js';
import { parseFence } from './fences.js';
import { parseLease } from './lease-file.js';
import { formatRecord, type NativeRecord, parseRecord } from './record-file.js';
import { parseRequest } from './requests.js';

/**
 * Everything in our own state folders, and Claude Code's list of sessions; leases from every folder, the rest from the
 * chosen one.
 */
export function readRegistry(
  chosen: StateFolder,
  leaseFolders: readonly StateFolder[],
  configDirs: readonly string[],
  here: Here,
): Written {
  const unread: Unread[] = [];
  const read = <T>(kind: Unread['kind'], folder: string, parse: Parser<T>): T[] =>
    readFolder(kind, folder, parse, unread);
  // Read only so that a broken request is reported; requests decide nothing about a server.
  read('request', chosen.requests, parseRequest);
  read('claim', chosen.starts, (_file, content) => parseClaimant(content));
  return {
    records: read('native', chosen.servers, parseRecord),
    leases: leaseFolders.flatMap((folder) => read<Lease>('lease', folder.leases, parseLease)),
    uses: [],
    witnesses: readClaudeSessions(configDirs, here),
    fences: read<Fence>('fence', chosen.closing, (file, content, trust, seenAt) =>
      parseFence(chosen, file, content, trust, seenAt),
    ),
    runs: leaseFolders.flatMap((folder) => read<LiveRun>('run', folder.runs, parseRun)),
    kept: leaseFolders.flatMap((folder) => keepMarks(folder, unread)),
    unread,
    skipped: [],
  };
}

/** The runs that are registered now; files that cannot be read are reported when everything is read. */
export const readRuns = (folders: readonly StateFolder[]): LiveRun[] =>
  folders.flatMap((folder) => readFolder<LiveRun>('run', folder.runs, parseRun, []));

/** A keep mark counts by its name, whatever it contains. */
function keepMarks({ keep: folder }: StateFolder, unread: Unread[]): KeepMark[] {
  const listed = jsonNames(folder);
  if (listed.kind === 'names') return listed.names.map((name) => keepMark(join(folder, name)));
  unread.push({ file: folder, error: listed.error, kind: 'keep' });
  return [];
}

function keepMark(file: string): KeepMark {
  const read = readSmall(file);
  const json = read.kind === 'text' ? parseOurs(read.text) : read.kind;
  const said = typeof json === 'string' ? {} : json;
  const processes = objects(said.processes).flatMap(({ pid, startToken }) => identity(pid, startToken) ?? []);
  const known = processes.filter(({ startToken }) => startToken !== undefined);
  return { file, id: basename(file, '.json'), processes: known, machine: machine(said.machine) };
}

/** A registered run is not counted as a client, so only a trusted file can register one. */
function parseRun(file: string, content: string, trust: Trust): LiveRun | string {
  if (trust.kind !== 'trusted') return trust.because;
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const holder = isObject(json.holder) ? identity(json.holder.pid, json.holder.startToken) : undefined;
  return holder ? { file, holder, machine: machine(json.machine) } : 'it does not name a process';
}

/**
 * Tells other runs that this process only asks, so that its connections are not taken for clients. If that cannot be
 * written, they are taken for clients, which spares.
 */
export function registerRun(folder: StateFolder, run: Omit<LiveRun, 'file'>): () => void {
  const file = join(folder.runs, `${run.holder.pid}-${run.holder.startToken ?? 'unknown'}.json`);
  const text = formatOurs({ ...run, at: isoTime() });
  attempt(() => replaceFile(file, text));
  // The registration of a run that is over has no effect, and the next run removes it.
  return () => void attempt(() => removeFile(file));
}

export const recordFile = (folder: StateFolder, id: string): string => join(folder.servers, `${id}.json`);

export const writeRecord = (folder: StateFolder, record: NativeRecord): void =>
  replaceFile(recordFile(folder, record.id), formatRecord(record));

export const dropRecord = (folder: StateFolder, id: string): void => removeFile(recordFile(folder, id));

/** The record as it will be read from the folder. */
export function asServerRecord(folder: StateFolder, record: NativeRecord): ServerRecord {
  const parsed = parseRecord(recordFile(folder, record.id), formatRecord(record), { kind: 'trusted' });
  if (typeof parsed === 'string') throw new Error(`a record that we wrote does not parse: ${parsed}`);
  return parsed;
}

/** Leaves the file if another process was faster: a run has fenced it, or has changed it. */
export function forgetRecord(record: ServerRecord): void {
  if (record.source.format !== 'native') return;
  const read = readSmall(record.source.file);
  if (read.kind !== 'text') return;
  const now = parseRecord(record.source.file, read.text, record.trust);
  const unchanged = typeof now !== 'string' && now.state === record.state && now.spawned?.pid === record.spawned?.pid;
  if (unchanged) attempt(() => removeUnchanged(record.source.file, read.text));
}

export const keep = (folder: StateFolder, { id, ...mark }: Omit<KeepMark, 'file'>): void =>
  replaceFile(join(folder.keep, `${id}.json`), formatOurs({ id, ...mark, at: isoTime() }));

/** Removes a mark. Returns why it could not be removed; undefined when it was. */
export function unkeep({ file }: KeepMark): string | undefined {
  return attempt(() => removeFile(file));
}
