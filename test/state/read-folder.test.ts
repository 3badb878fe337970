import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Unread } from '../../src/model/written.js';
import { readFolder } from '../../src/state/files/read-folder.js';
import { fail, meanwhile } from '../support/in-between.js';

/* A folder of files, each of which says something, or is known not to have been understood. */

let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'opencode-reap-folder-'));
  folder = join(root, 'folder');
  mkdirSync(folder, { mode: 0o700 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const put = (name: string, text: string, where = folder): void =>
  writeFileSync(join(where, name), text, { mode: 0o600 });

/** What is said, with whether only we could have said it; a text that begins with `no` is not understood. */
function read(where = folder): { readonly said: string[]; readonly unread: Unread[] } {
  const unread: Unread[] = [];
  const said = readFolder<string[]>(
    'native',
    where,
    (file, text, trust, at) =>
      text.startsWith('no') ? text : [`${file.slice(root.length)} ${text} ${trust.kind} ${at}`],
    unread,
  );
  return { said: said.flat(), unread };
}

describe('a folder', () => {
  test('is read file by file, in the order of their names', () => {
    put('b.json', 'B');
    put('a.json', 'A');
    for (const name of ['a.json', 'b.json']) utimesSync(join(folder, name), 5, 7);
    const said = ['/folder/a.json A trusted 7000', '/folder/b.json B trusted 7000'];
    expect(read()).toEqual({ said, unread: [] });
  });

  test('that is empty costs no look at it, and one that is not there none either', () => {
    const looks = meanwhile('statSync');
    expect([read(), read(join(root, 'none'))]).toEqual(Array(2).fill({ said: [], unread: [] }));
    expect(looks).toEqual([]);
  });

  test('that cannot be listed is unread', () => {
    put('file', '');
    const file = join(folder, 'file');
    expect(read(file)).toEqual({ said: [], unread: [{ file, error: 'ENOTDIR', kind: 'native' }] });
  });

  test('is looked at once for all that is in it, and once more', () => {
    for (const name of ['a', 'b', 'c']) put(`${name}.json`, name);
    const looks = meanwhile('statSync');
    expect(read().said).toHaveLength(3);
    // By its owner and mode, and by which one it is.
    expect(looks).toHaveLength(4);
  });

  test('that cannot be looked at for a moment is looked at for each of its files', () => {
    put('a.json', 'A');
    meanwhile('statSync', (nth) => nth === 1 && fail('EIO'));
    expect(read().said).toMatchObject([expect.stringContaining('A trusted')]);
  });

  test.skipIf(!process.getuid)('that another one takes the place of meanwhile is read anew', () => {
    const open = join(root, 'open');
    mkdirSync(open);
    put('a.json', 'of the open folder', open);
    put('a.json', 'of the closed one');
    const link = join(root, 'link');
    symlinkSync('open', link);
    meanwhile('statSync', (nth) => {
      if (nth !== 1) return;
      // The look that everything would be trusted by is at the closed folder.
      unlinkSync(link);
      symlinkSync('folder', link);
    });
    meanwhile('openSync', (nth) => {
      if (nth !== 1) return;
      symlinkSync('open', join(root, 'next'));
      renameSync(join(root, 'next'), link);
    });
    chmodSync(open, 0o777);
    const { said } = read(link);
    expect(said).toMatchObject([expect.stringContaining('of the open folder untrusted')]);
  });
});

describe('a file', () => {
  test('that is not understood is unread, with why, the numbers in it, and its time', () => {
    put('a.json', 'no: 42');
    utimesSync(join(folder, 'a.json'), 5, 7);
    const file = join(folder, 'a.json');
    expect(read()).toEqual({
      said: [],
      unread: [{ file, error: 'no: 42', kind: 'native', mentions: new Set([42]), modifiedAt: 7_000 }],
    });
  });

  test('that cannot be read is unread, and may be about anything', () => {
    mkdirSync(join(folder, 'a.json'));
    put('b.json', 'B');
    const { said, unread } = read();
    expect(said).toHaveLength(1);
    expect(unread).toMatchObject([{ file: join(folder, 'a.json'), error: 'not a regular file', mentions: undefined }]);
  });

  test('that goes between the list and the look is neither', () => {
    put('a.json', 'A');
    meanwhile('statSync', (nth) => nth === 1 && unlinkSync(join(folder, 'a.json')));
    expect(read()).toEqual({ said: [], unread: [] });
  });
});
