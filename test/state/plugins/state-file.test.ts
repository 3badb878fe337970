import fs, { chownSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Skipped } from '../../../src/model/written.js';
import { readerOf } from '../../../src/state/plugins/state-file.js';
import { ownFiles } from '../../support/own-files.js';

/* How one file of a plugin's is read: what is no file of ours, what could not be read, and who could have written it. */

const own = ownFiles();

const reading = () => {
  const skipped: Skipped[] = [];
  return { read: readerOf(skipped, 'ticks'), skipped };
};
const read = (file: string) => reading().read(file);

describe('a file of a plugin’s', () => {
  test('is read with its names, its neighbors and its trust', () => {
    const file = own.put('w/jobs/one.json', { a: 1 });
    own.put('w/jobs/two.json', { b: 2 });
    utimesSync(file, 1_000, 1_000);
    const source = read(file);
    if (typeof source !== 'object') expect.fail('it is not read');
    expect(source).toMatchObject({ file, name: 'one.json', folder: 'jobs', text: '{"a":1}', json: { a: 1 } });
    expect([source.trust.kind, source.startTokens]).toEqual(['trusted', 'ticks']);
    expect(source.near('two.json')).toMatchObject({ json: { b: 2 } });
    expect([source.near('three.json'), source.pathOf('../x')]).toEqual([undefined, join(own.folder.root, 'w/x')]);
    utimesSync(join(own.folder.root, 'w/jobs/two.json'), 2_000, 2_000);
    expect([source.touchedAt(), source.touchedAt('two.json')]).toEqual([1_000_000, 2_000_000]);
    symlinkSync('loop', join(own.folder.root, 'w/jobs/loop'));
    expect([source.touchedAt('three.json'), source.touchedAt('loop/x')]).toEqual([undefined, undefined]);
  });

  test('is read once in each look, however many ask', () => {
    const { read: inOneLook } = reading();
    const file = own.put('one.json', { a: 1 });
    expect([inOneLook(file), inOneLook(join(own.folder.root, 'two.json'))]).toMatchObject([
      { json: { a: 1 } },
      undefined,
    ]);
    rmSync(file);
    own.put('two.json', {});
    expect([inOneLook(file), inOneLook(join(own.folder.root, 'two.json'))]).toMatchObject([
      { json: { a: 1 } },
      undefined,
    ]);
  });

  test('is JSON by its name, and else a text', () => {
    expect(read(own.put('serve.lock', { a: 1 }))).toMatchObject({ json: { a: 1 } });
    expect(read(own.put('pid', '{"a":1}'))).toMatchObject({ text: '{"a":1}', json: undefined });
    expect([read(own.put('torn.json', '{')), read(own.put('list.json', []))]).toEqual([
      'not valid JSON',
      'not a JSON object',
    ]);
  });

  test('may be one that anybody could have written', () => {
    expect(read(own.put('one.json', {}, 0o666))).toMatchObject({ trust: { kind: 'untrusted' } });
  });

  test('is none that is not there', () => {
    expect(read(join(own.folder.root, 'one.json'))).toBeUndefined();
    expect(read(join(own.put('file', ''), 'one.json'))).toBeUndefined();
  });

  test('is none that goes while it is looked at', () => {
    const file = own.put('one.json', {});
    const { openSync } = fs;
    const goes = (...args: Parameters<typeof openSync>): number => {
      rmSync(file, { force: true });
      return openSync(...args);
    };
    Object.assign(fs, { openSync: goes });
    syncBuiltinESMExports();
    onTestFinished(() => {
      Object.assign(fs, { openSync });
      syncBuiltinESMExports();
    });
    expect(read(file)).toBeUndefined();
  });

  test('cannot be read where it is a link, a folder, too large, or behind a loop', () => {
    const { root } = own.folder;
    symlinkSync(own.put('one.json', {}), join(root, 'link.json'));
    symlinkSync('loop', join(root, 'loop'));
    mkdirSync(join(root, 'folder.json'));
    const large = own.put('large', '');
    truncateSync(large, 16 * 1024 * 1024);
    expect(read(large)).toMatchObject({ name: 'large' });
    truncateSync(large, 16 * 1024 * 1024 + 1);
    const of = (name: string) => read(join(root, name));
    expect([of('link.json'), of('folder.json'), of('large'), of('loop/one.json')]).toEqual([
      'a symbolic link',
      'not a regular file',
      'larger than 16 MiB',
      'ELOOP',
    ]);
  });
});

const needsRoot = process.getuid?.() === 0 ? '' : ' (skipped: only root can give a file away)';

test.skipIf(needsRoot)(`another user’s file is passed over, and named${needsRoot}`, () => {
  const file = own.put('one.json', {});
  const { read: inOneLook, skipped } = reading();
  chownSync(file, 1, 1);
  expect(inOneLook(file)).toBeUndefined();
  expect(skipped).toEqual([{ file, because: 'it belongs to another user' }]);
});
