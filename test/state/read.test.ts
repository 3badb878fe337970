import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  holds,
  isForeign,
  jsonNames,
  lookAtFolder,
  modifiedAt,
  readHead,
  readSmall,
} from '../../src/state/files/read.js';
import { fail, meanwhile } from '../support/in-between.js';

/* What is read of a file, and what stays unread, which is not the same as absent. */

const notHere = process.getuid ? '' : ' (skipped: not on Windows, where names, owners and links are others)';
const MIB = 1024 * 1024;

let root: string;
let file: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'opencode-reap-read-'));
  file = join(root, 'file');
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const write = (text: string): void => writeFileSync(file, text, { mode: 0o600 });
const said = (read = readSmall(file)): string =>
  'text' in read ? read.text : 'error' in read ? read.error : read.kind;

describe.skipIf(notHere)(`a file${notHere}`, () => {
  test('is read with its time, and with whether others could have written it', () => {
    write('text');
    utimesSync(file, 5, 7);
    expect(readSmall(file)).toEqual({ kind: 'text', text: 'text', trust: { kind: 'trusted' }, modifiedAt: 7_000 });
  });

  test('is read up to a mebibyte, and no longer one is', () => {
    write('a'.repeat(MIB));
    expect(said()).toHaveLength(MIB);
    write('a'.repeat(MIB + 1));
    expect(said()).toBe('larger than 1 MiB');
  });

  test('of any size is read from its start where that is all that matters', () => {
    write(`head${'a'.repeat(MIB)}`);
    expect(said(readHead(file, 4))).toBe('head');
    write('he');
    expect(said(readHead(file, 4))).toBe('he');
  });

  test('that is not there is absent, and so is one below a file', () => {
    expect(said()).toBe('absent');
    write('text');
    expect(said(readSmall(join(file, 'below')))).toBe('absent');
  });

  test('that may not be opened is unread', () => {
    write('text');
    meanwhile('openSync', (nth) => nth === 1 && fail('EACCES'));
    expect(said()).toBe('EACCES');
  });

  test('is none where a link, a folder or a pipe is, and that is not even opened', () => {
    const opened = meanwhile('openSync');
    symlinkSync('/dev/null', file);
    expect(said()).toBe('a symbolic link');
    unlinkSync(file);
    mkdirSync(file);
    expect(said()).toBe('not a regular file');
    execFileSync('mkfifo', [join(root, 'pipe')]);
    expect(said(readSmall(join(root, 'pipe')))).toBe('not a regular file');
    expect(opened).toEqual([]);
  });

  test('in whose place a link comes right before it is opened is a link', () => {
    write('text');
    writeFileSync(join(root, 'other'), 'other', { mode: 0o600 });
    const opened = meanwhile('openSync', (nth) => {
      if (nth > 1) return;
      unlinkSync(file);
      symlinkSync('other', file);
    });
    expect(said()).toBe('a symbolic link');
    expect(opened).toHaveLength(1);
  });

  test('in whose place a folder comes right before it is opened is none', () => {
    write('text');
    meanwhile('openSync', (nth) => {
      if (nth > 1) return;
      unlinkSync(file);
      mkdirSync(file);
    });
    expect(said()).toBe('not a regular file');
  });

  test('is opened so that no link is followed, and a pipe in its place would keep nobody waiting', () => {
    write('text');
    const [opened] = [meanwhile('openSync'), said()];
    const flags = constants.O_NOFOLLOW | constants.O_NONBLOCK;
    expect(Number(opened[0]?.[1]) & flags).toBe(flags);
  });

  test('whose folder cannot be seen for a moment is read again', () => {
    write('text');
    meanwhile('statSync', (nth) => nth === 1 && fail('ENOENT'));
    expect(said()).toBe('text');
  });

  test('in a folder that was looked at for all of its files costs no further look', () => {
    write('text');
    const folder = lookAtFolder(root);
    const looks = meanwhile('statSync');
    expect(said(readSmall(file, undefined, folder))).toBe('text');
    expect(looks).toEqual([]);
  });

  test('leaves no descriptor open, whatever becomes of it', () => {
    const next = (): number => {
      const fd = openSync('/dev/null', 'r');
      closeSync(fd);
      return fd;
    };
    write('a'.repeat(MIB + 1));
    const free = next();
    for (let time = 0; time < 3; time += 1) [said(), said(readHead(file, 4)), holds(file, 'a')];
    expect(next()).toBe(free);
  });
});

test('a file holds a text, or another one, or none', () => {
  write('text');
  expect([holds(file, 'text'), holds(file, 'tex'), holds(join(root, 'none'), '')]).toEqual([true, false, false]);
});

test('what cannot be looked at is never old', () => {
  expect(modifiedAt(file)).toBe(Number.POSITIVE_INFINITY);
  write('text');
  utimesSync(file, 5, 7);
  expect(modifiedAt(file)).toBe(7_000);
});

describe('a folder', () => {
  test('has its finished JSON files, in order', () => {
    for (const name of ['b.json', 'a.json', '.1-2-3.json', 'c.txt', 'a.json.tmp']) writeFileSync(join(root, name), '');
    expect(jsonNames(root)).toEqual({ kind: 'names', names: ['a.json', 'b.json'] });
  });

  test('that is not there has none, and one that cannot be listed is unread', () => {
    write('text');
    expect(jsonNames(join(root, 'none'))).toEqual({ kind: 'names', names: [] });
    expect(jsonNames(file)).toEqual({ kind: 'unread', error: 'ENOTDIR' });
  });
});

describe.skipIf(notHere)(`what belongs to another user${notHere}`, () => {
  const { getuid } = process;
  afterEach(() => void Object.assign(process, { getuid }));
  const as = (uid: (() => number) | undefined): void => void Object.assign(process, { getuid: uid });
  const another = (): number => (getuid?.() ?? 0) + 1;

  test('is not what is ours', () => {
    write('text');
    expect(isForeign(file)).toBe(false);
    as(another);
    expect(isForeign(file)).toBe(true);
  });

  test('is nothing that is not there, whoever has the folder', () => {
    as(another);
    expect(isForeign(join(root, 'none'))).toBe(false);
  });

  test('is told by the folder that keeps us out', () => {
    write('text');
    meanwhile('lstatSync', (nth) => nth === 1 && fail('EACCES'));
    expect(isForeign(file)).toBe(false);
    as(another);
    meanwhile('lstatSync', (nth) => nth === 1 && fail('EACCES'));
    expect(isForeign(file)).toBe(true);
  });

  test('is nothing where files show no owner', () => {
    as(undefined);
    expect(isForeign(root)).toBe(false);
  });
});
