import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readSync, renameSync } from 'node:fs';
import { isObject } from '../../common/json.js';
import { isoTime } from '../files/iso-time.js';
import { text, wholeNumber } from '../files/parse.js';
import { readSmall } from '../files/read.js';
import { attempt, writeAll } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/** Some 5,000 lines. One older file of the same size is kept, which readSmall can still read. */
const ROTATE_BYTES = 900 * 1024;

/** On whose behalf something was done. */
export type Actor = 'person' | 'background run' | 'watch' | 'library';

/** One thing that was done or left alone. */
export interface LogLine {
  readonly at: string;
  /** Undefined in lines of earlier versions. */
  readonly by?: Actor | undefined;
  readonly event: string;
  readonly id: string;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  readonly workspace: string | undefined;
  readonly detail: string;
  /** The session whose end led to it. */
  readonly session?: string | undefined;
  readonly plugin?: string | undefined;
  /** What each guard said of a server that was stopped, by its name. */
  readonly guards?: Readonly<Record<string, string>> | undefined;
}

/**
 * Appends whole lines, so that two simultaneous runs do not cut each other's. An action stands whether or not it can be
 * logged: returns why it could not, which `doctor` finds as well.
 */
export function appendLog(folder: StateFolder, lines: readonly LogLine[]): string | undefined {
  if (lines.length === 0) return undefined;
  return attempt(() => {
    mkdirSync(folder.root, { recursive: true, mode: 0o700 });
    rotate(folder.log);
    append(folder.log, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  });
}

const { O_APPEND, O_CREAT, O_RDWR } = constants;
/** Never blocks on the other end of a pipe, and never writes through a link. */
const FLAGS = O_RDWR | O_CREAT | O_APPEND | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

function append(file: string, text: string): void {
  const fd = openSync(file, FLAGS, 0o600);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EINVAL' });
    writeAll(fd, isCutShort(fd, stat.size) ? `\n${text}` : text);
  } finally {
    closeSync(fd);
  }
}

/** A full disk may have cut the last line, which must not spoil the next one. */
function isCutShort(fd: number, size: number): boolean {
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last.toString() !== '\n';
}

/** For failures that nothing reads the output of. If even the log cannot be written, `doctor` finds that out. */
export function noteFailure(folder: StateFolder, event: string, detail: string): void {
  const nothing = { id: '', pid: undefined, port: undefined, workspace: undefined };
  appendLog(folder, [{ at: isoTime(), event, detail, ...nothing }]);
}

/** A log that does not exist yet, or that may only be appended to, is still the log. */
function rotate(file: string): void {
  attempt(() => {
    if (lstatSync(file).size > ROTATE_BYTES) renameSync(file, olderLog(file));
  });
}

const olderLog = (file: string): string => file.replace(/\.ndjson$/, '.1.ndjson');

/** Oldest first. A line that a full disk cut short is left out. */
export function readLog(folder: StateFolder): LogLine[] {
  return [olderLog(folder.log), folder.log].flatMap((file) => {
    const read = readSmall(file);
    return read.kind === 'text' ? read.text.split('\n').flatMap(parseLine) : [];
  });
}

/** A line that lacks what every line has is none; any other field that is not what it should be is left out of it. */
function parseLine(line: string): LogLine[] {
  try {
    const json: unknown = JSON.parse(line);
    if (!isObject(json)) return [];
    const { at, event, detail } = json;
    if (typeof at !== 'string' || typeof event !== 'string' || typeof detail !== 'string') return [];
    return [
      {
        at,
        by: text(json.by) as Actor | undefined,
        event,
        id: text(json.id) ?? '',
        pid: wholeNumber(json.pid),
        port: wholeNumber(json.port),
        workspace: text(json.workspace),
        plugin: text(json.plugin),
        session: text(json.session),
        detail,
        guards: textsIn(json.guards),
      },
    ];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function textsIn(json: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(json)) return undefined;
  return Object.fromEntries(
    Object.entries(json).flatMap(([name, said]) => (typeof said === 'string' ? [[name, said]] : [])),
  );
}
