import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { alive } from './proc.js';

/** Shared by all workers of one run, whose parent is the same. */
const turns = join(tmpdir(), `opencode-reap-turns-${process.ppid}`);
const AT_ONCE = 2;

/**
 * Two cores start two servers as fast as ten, and ten at once make every deadline of the program look too short. At
 * worst the folder stays empty, since every process removes its own file when it ends.
 */
export const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
  const own = await take();
  try {
    return await work();
  } finally {
    rmSync(own, { force: true });
  }
};

const take = async (): Promise<string> => {
  mkdirSync(turns, { recursive: true });
  for (;;) {
    for (let n = 0; n < AT_ONCE; n += 1) {
      const file = join(turns, String(n));
      if (isTaken(file)) continue;
      return file;
    }
    await sleep(50);
  }
};

const isTaken = (file: string): boolean => {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return false;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    forgetDead(file);
    return true;
  }
};

/** A killed worker cannot remove its file. An empty one is just being written. */
const forgetDead = (file: string): void => {
  const holder = Number(readIf(file));
  if (holder > 0 && !alive(holder)) rmSync(file, { force: true });
};

const readIf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
};
