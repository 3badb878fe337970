import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { errorCode, readSmall } from './files.js';
import type { StateFolder } from './folders.js';

/** Some 5,000 lines. One older file of the same size is kept, which readSmall still reads whole. */
const ROTATE_BYTES = 900 * 1024;

/** On whose behalf something was done. */
export type Actor = 'person' | 'background run' | 'watch' | 'library';

/** One thing that was done or left alone. */
export interface LogLine {
  readonly at: string;
  /** Lines of earlier versions do not say it. */
  readonly by?: Actor | undefined;
  readonly event: string;
  readonly id: string;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  readonly workspace: string | undefined;
  readonly detail: string;
}

/** Lines are appended whole, so that two runs at once do not cut each other's. */
export function appendLog(folder: StateFolder, lines: readonly LogLine[]): void {
  if (lines.length === 0) return;
  mkdirSync(folder.root, { recursive: true, mode: 0o700 });
  rotate(folder.log);
  appendFileSync(folder.log, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: 0o600 });
}

/** For what nobody listens to. Where even the log cannot be written, `doctor` finds that out. */
export function noteFailure(folder: StateFolder, event: string, detail: string): void {
  const nothing = { id: '', pid: undefined, port: undefined, workspace: undefined };
  try {
    appendLog(folder, [{ at: new Date().toISOString(), event, detail, ...nothing }]);
  } catch (unwritable) {
    if (!(unwritable instanceof Error)) throw unwritable;
  }
}

function rotate(file: string): void {
  try {
    if (statSync(file).size > ROTATE_BYTES) renameSync(file, olderLog(file));
  } catch (error) {
    // Not there yet, or another run has just rotated it.
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

const olderLog = (file: string): string => file.replace(/\.ndjson$/, '.1.ndjson');

/** Oldest first. A line that was cut short by a full disk is left out. */
export function readLog(folder: StateFolder): LogLine[] {
  return [olderLog(folder.log), folder.log].flatMap((file) => {
    const read = readSmall(file);
    return read.kind === 'text' ? read.text.split('\n').flatMap(parseLine) : [];
  });
}

function parseLine(line: string): LogLine[] {
  try {
    const parsed = JSON.parse(line) as LogLine | null;
    return [parsed?.at, parsed?.event, parsed?.detail].every((said) => typeof said === 'string')
      ? [parsed as LogLine]
      : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
