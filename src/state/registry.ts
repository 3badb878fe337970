import { basename, join } from 'node:path';
import type { Fence, Lease, LiveRun, ServerRecord, Trust, Unread, Written } from '../decide/record.js';
import { readClaudeSessions } from './claude-sessions.js';
import { parseFence } from './fences.js';
import { createFile, errorCode, jsonNames, readSmall, removeFile, removeUnchanged, replaceFile } from './files.js';
import type { StateFolder } from './folders.js';
import { parseLease } from './lease-file.js';
import { identity, isObject, machine, parseOurs, SCHEMA } from './parse.js';
import { formatRecord, type NativeRecord, parseRecord } from './record-file.js';

/** All that is written down in our own state folders; leases from every one of them, the rest from the chosen one. */
export function readRegistry(
  chosen: StateFolder,
  leaseFolders: readonly StateFolder[],
  configDirs: readonly string[],
): Written {
  const unread: Unread[] = [];
  const read = <T>(kind: Unread['kind'], folder: string, parse: Parser<T>): T[] =>
    readFolder(kind, folder, parse, unread);
  return {
    records: read('server', chosen.servers, parseRecord),
    leases: leaseFolders.flatMap((folder) => read<Lease>('lease', folder.leases, parseLease)),
    witnesses: readClaudeSessions(configDirs),
    fences: read<Fence>('fence', chosen.closing, (file, content, trust) => parseFence(chosen, file, content, trust)),
    runs: leaseFolders.flatMap((folder) => read<LiveRun>('run', folder.runs, parseRun)),
    kept: keptIds(chosen, unread),
    unread,
  };
}

type Parser<T> = (file: string, content: string, trust: Trust) => T | string;

/** How long a file may be on its way. Ours are renamed into place; a plugin's is rewritten while others read it. */
function readFolder<T>(kind: Unread['kind'], folder: string, parse: Parser<T>, unread: Unread[]): T[] {
  const listed = jsonNames(folder);
  if (listed.kind === 'unread') {
    unread.push({ file: folder, error: listed.error, kind });
    return [];
  }
  return listed.names.flatMap((name) => {
    const file = join(folder, name);
    const read = readSmall(file);
    // It went between the listing and the look, as a fence or a record does.
    if (read.kind === 'absent') return [];
    const parsed = read.kind === 'text' ? parse(file, read.text, read.trust) : read.error;
    if (typeof parsed !== 'string') return [parsed];
    unread.push({ file, error: parsed, kind });
    return [];
  });
}

/** A keep mark counts by its name, whatever is in it. */
function keptIds(folder: StateFolder, unread: Unread[]): Set<string> {
  const listed = jsonNames(folder.keep);
  if (listed.kind === 'names') return new Set(listed.names.map((name) => basename(name, '.json')));
  unread.push({ file: folder.keep, error: listed.error, kind: 'keep' });
  return new Set();
}

function parseRun(file: string, content: string): LiveRun | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const holder = isObject(json.holder) ? identity(json.holder.pid, json.holder.startToken) : undefined;
  return holder ? { file, holder, machine: machine(json.machine) } : 'it names no process';
}

/**
 * Tells other runs that this process only asks, so that its connections are not taken for clients. Where nothing can
 * be written they are, which spares.
 */
export function announceRun(folder: StateFolder, run: Omit<LiveRun, 'file'>): () => void {
  const file = join(folder.runs, `${run.holder.pid}-${run.holder.startToken ?? 'unknown'}.json`);
  try {
    replaceFile(file, `${JSON.stringify({ schema: SCHEMA, ...run, at: new Date().toISOString() }, null, 2)}\n`);
  } catch (error) {
    errorCode(error);
    return () => undefined;
  }
  return () => removeFile(file);
}

export const recordFile = (folder: StateFolder, id: string): string => join(folder.servers, `${id}.json`);

export const writeRecord = (folder: StateFolder, record: NativeRecord): void =>
  replaceFile(recordFile(folder, record.id), formatRecord(record));

export const dropRecord = (folder: StateFolder, id: string): void => removeFile(recordFile(folder, id));

/** The record as whoever reads the folder will see it. */
export function asServerRecord(folder: StateFolder, record: NativeRecord): ServerRecord {
  const parsed = parseRecord(recordFile(folder, record.id), formatRecord(record), { kind: 'trusted' });
  if (typeof parsed === 'string') throw new Error(`a record that we write does not parse: ${parsed}`);
  return parsed;
}

/** False when somebody was faster: a run has fenced it, or it was never there. */
export function forgetRecord(record: ServerRecord): boolean {
  if (record.source.format !== 'native') return false;
  const read = readSmall(record.source.file);
  if (read.kind !== 'text') return false;
  const now = parseRecord(record.source.file, read.text, record.trust);
  const unchanged = typeof now !== 'string' && now.state === record.state && now.spawned?.pid === record.spawned?.pid;
  return unchanged && removeUnchanged(record.source.file, read.text);
}

export function keep(folder: StateFolder, id: string): boolean {
  return createFile(
    join(folder.keep, `${id}.json`),
    `${JSON.stringify({ schema: SCHEMA, id, at: new Date().toISOString() }, null, 2)}\n`,
  );
}

export const unkeep = (folder: StateFolder, id: string): void => removeFile(join(folder.keep, `${id}.json`));
