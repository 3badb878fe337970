import fs, {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  attempt,
  createFile,
  moveFile,
  removeFile,
  removeUnchanged,
  replaceFile,
  setModified,
  sweepTemporary,
  takeFile,
  writeAll,
} from '../../src/state/files/write.js';
import { fail, meanwhile } from '../support/in-between.js';

/* Every file that this program writes is whole or not there, whoever else writes at the same moment. */

let root: string;
let file: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'opencode-reap-write-'));
  file = join(root, 'file');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (text: string): void => writeFileSync(file, text, { mode: 0o600 });
const text = (): string | undefined => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);
const names = (): string[] => readdirSync(root);
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('a file that is put in place', () => {
  test('is there as a whole, and nothing is left beside it', () => {
    replaceFile(file, 'first');
    replaceFile(file, 'second');
    expect([text(), names()]).toEqual(['second', ['file']]);
  });

  test.skipIf(!process.getuid)('can be read by its user alone, and so can the folders that are made for it', () => {
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    const folder = join(root, 'a/b');
    createFile(join(folder, 'file'), 'text');
    createFile(join(folder, 'other'), 'text');
    expect([join(root, 'a'), folder, join(folder, 'file'), join(folder, 'other')].map(modeOf)).toEqual([
      '700',
      '700',
      '600',
      '600',
    ]);
  });

  test('waits for the disk where a power failure must not take it, and only there', () => {
    const synced = meanwhile('fsyncSync');
    replaceFile(file, 'text', 'until reboot');
    createFile(join(root, 'other'), 'text', 'until reboot');
    expect(synced).toHaveLength(0);
    replaceFile(file, 'text');
    createFile(join(root, 'third'), 'text');
    expect(synced).toHaveLength(2);
  });

  test.each(['writeSync', 'fsyncSync', 'renameSync'] as const)('leaves the old one where %s fails', (call) => {
    write('old');
    meanwhile(call, () => fail('ENOSPC'));
    expect(() => replaceFile(file, 'new')).toThrow('ENOSPC');
    expect([text(), names()]).toEqual(['old', ['file']]);
  });

  test('in a folder that cannot be made is an error', () => {
    write('in its place');
    expect(() => replaceFile(join(file, 'below'), 'text')).toThrow('ENOTDIR');
  });

  test('in one that cannot be written is that error, and no folder is made', () => {
    meanwhile('openSync', () => fail('EACCES'));
    expect(() => replaceFile(join(root, 'none/file'), 'text')).toThrow('EACCES');
    expect(names()).toEqual([]);
  });
});

describe('a new file', () => {
  test('is made by one of two', () => {
    expect([createFile(file, 'first'), createFile(file, 'second')]).toEqual([true, false]);
    expect([text(), names()]).toEqual(['first', ['file']]);
  });

  test('is not made where it cannot be linked, and nothing is left', () => {
    meanwhile('linkSync', () => fail('EPERM'));
    expect(() => createFile(file, 'text')).toThrow('EPERM');
    expect(names()).toEqual([]);
  });
});

describe('a text is written to its end', () => {
  /** In place of a disk that takes so many bytes of what is left, each time. */
  const standInForDisk = (takes: (left: number) => number): { written: () => string } => {
    const parts: Buffer[] = [];
    const spy = vi.spyOn(fs, 'writeSync').mockImplementation(((_fd: number, bytes: Buffer, from: number) => {
      const count = takes(bytes.length - from);
      parts.push(bytes.subarray(from, from + count));
      return count;
    }) as unknown as typeof fs.writeSync);
    syncBuiltinESMExports();
    onTestFinished(() => {
      spy.mockRestore();
      syncBuiltinESMExports();
    });
    return { written: () => Buffer.concat(parts).toString() };
  };

  test('where the disk takes one byte at a time, or two', () => {
    for (const most of [1, 2]) {
      const disk = standInForDisk((left) => Math.min(most, left));
      writeAll(0, 'größer');
      expect(disk.written()).toBe('größer');
    }
  });

  test('or it is an error, where the disk takes no more', () => {
    standInForDisk(() => 0);
    expect(() => writeAll(0, 'text')).toThrow('ENOSPC: nothing was written');
    expect(attempt(() => writeAll(0, 'text'))).toBe('ENOSPC');
  });
});

describe('a file that is removed if it holds what was read', () => {
  test('is gone, and nothing is left', () => {
    write('text');
    expect([removeUnchanged(file, 'text'), names()]).toEqual([true, []]);
  });

  test('stays in its place where it holds anything else', () => {
    write('other');
    const moved = meanwhile('renameSync');
    expect([removeUnchanged(file, 'text'), text(), moved]).toEqual([false, 'other', []]);
  });

  test('was not removed by us where it is not there', () => {
    expect(removeUnchanged(file, 'text')).toBe(false);
  });

  test('was not removed by us where another process is faster', () => {
    write('text');
    meanwhile('renameSync', () => unlinkSync(file));
    expect([removeUnchanged(file, 'text'), names()]).toEqual([false, []]);
  });

  test('stays where it changes in between', () => {
    write('text');
    meanwhile('renameSync', () => write('changed'));
    expect([removeUnchanged(file, 'text'), text(), names()]).toEqual([false, 'changed', ['file']]);
  });

  test('stays as it was written last, where it changes twice', () => {
    write('text');
    meanwhile('renameSync', () => write('changed'));
    meanwhile('linkSync', () => write('changed again'));
    expect([removeUnchanged(file, 'text'), text(), names()]).toEqual([false, 'changed again', ['file']]);
  });
});

describe('a file that is taken', () => {
  test('is had by one of two', () => {
    write('text');
    expect([takeFile(file), takeFile(file), names()]).toEqual(['text', undefined, []]);
  });

  test.skipIf(!process.getuid)('says nothing where others could have written it, and goes', () => {
    write('text');
    chmodSync(file, 0o606);
    expect([takeFile(file), names()]).toEqual([undefined, []]);
  });

  test('says nothing where it is none', () => {
    mkdirSync(file);
    expect(takeFile(file)).toBeUndefined();
  });
});

describe('a name', () => {
  test('is removed, or was not there', () => {
    write('text');
    removeFile(file);
    removeFile(file);
    expect(names()).toEqual([]);
  });

  test('that cannot be removed is an error', () => {
    write('text');
    meanwhile('unlinkSync', () => fail('EROFS'));
    expect(() => removeFile(file)).toThrow('EROFS');
  });

  test('is moved by one of two', () => {
    write('text');
    expect([moveFile(file, join(root, 'to')), moveFile(file, join(root, 'to')), names()]).toEqual([
      true,
      false,
      ['to'],
    ]);
  });

  test('that cannot be moved is an error', () => {
    write('text');
    meanwhile('renameSync', () => fail('EROFS'));
    expect(() => moveFile(file, join(root, 'to'))).toThrow('EROFS');
  });
});

test('a change that fails is told by its code, and one that works is not', () => {
  expect([attempt(() => undefined), attempt(() => fail('EROFS'))]).toEqual([undefined, 'EROFS']);
});

describe('temporary files of writers that were killed', () => {
  const NOW = 1_700_000_000_000;
  const HOUR = 3_600_000;
  const aged = (name: string, ms: number): void => {
    writeFileSync(join(root, name), '');
    utimesSync(join(root, name), (NOW - ms) / 1000, (NOW - ms) / 1000);
  };

  test('go after an hour, and nothing else does', () => {
    aged('.12-34-5.tmp', HOUR + 1);
    aged('.12-34-6.tmp', HOUR);
    aged('.12-34-7.tmp', -HOUR - 1);
    for (const name of ['.12-34.tmp', 'x.12-34-8.tmp', '.12-34-9.tmp.json', '12.json']) aged(name, 2 * HOUR);
    sweepTemporary(root, NOW);
    expect(names().sort()).toEqual(
      ['.12-34-6.tmp', '.12-34-7.tmp', '.12-34.tmp', 'x.12-34-8.tmp', '.12-34-9.tmp.json', '12.json'].sort(),
    );
  });

  test('of a folder that is not there are none', () => {
    expect(sweepTemporary(join(root, 'none'), NOW)).toBeUndefined();
  });

  test('that cannot be removed stay, and the others go', () => {
    aged('.1-1-1.tmp', 2 * HOUR);
    aged('.1-1-2.tmp', 2 * HOUR);
    meanwhile('unlinkSync', (nth) => nth === 1 && fail('EACCES'));
    sweepTemporary(root, NOW);
    expect(names()).toHaveLength(1);
  });
});

test('a file gets another time, and one that is not there stays away', () => {
  write('text');
  setModified(file, 7_000);
  setModified(join(root, 'none'), 7_000);
  const { atimeMs, mtimeMs } = statSync(file);
  expect([atimeMs, mtimeMs, names()]).toEqual([7_000, 7_000, ['file']]);
});
