import fs, { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LastUse } from '../../src/model/last-use.js';
import { readLastUses, writeLastUses } from '../../src/state/ours/last-uses.js';
import { forgetSilence, noteSilence, readSilences } from '../../src/state/ours/silences.js';
import { HERE, ownFiles, SCHEMA } from '../support/own-files.js';

/* What one look notes for the next: what is read of it, and whom it has to be from. */

const own = ownFiles();

describe('a silence', () => {
  const SINCE = { sinceMs: 1_000, lastMs: 2_000, looks: 3 };
  const said = { ...SCHEMA, boot: HERE.boot, pidNamespace: HERE.pidNamespace, key: '7-x', ...SINCE };
  const read = (here = HERE) => [...readSilences(own.folder, here)];

  test('is read as it was noted, until it is forgotten', () => {
    noteSilence(own.folder, HERE, '7-x', SINCE);
    expect(read()).toEqual([['7-x', { key: '7-x', ...SINCE }]]);
    noteSilence(own.folder, HERE, '8-a/../b c', SINCE);
    expect(read().map(([key]) => key)).toEqual(['7-x', '8-a/../b c']);
    forgetSilence(own.folder, '7-x');
    expect(read().map(([key]) => key)).toEqual(['8-a/../b c']);
  });

  test.each<[string, () => unknown]>([
    ['others could have written', () => own.put('silent/one.json', said, 0o666)],
    ['is of another boot', () => own.put('silent/one.json', { ...said, boot: 'another' })],
    ['is of other pids', () => own.put('silent/one.json', { ...said, pidNamespace: 'others' })],
    ['is of another version', () => own.put('silent/one.json', { ...said, schema: 'opencode-reap/2' })],
    ['is torn', () => own.put('silent/one.json', '{')],
    ['names no process', () => own.put('silent/one.json', { ...said, key: '' })],
    ['does not say since when', () => own.put('silent/one.json', { ...said, sinceMs: -1 })],
    ['does not say when it was last looked at', () => own.put('silent/one.json', { ...said, lastMs: null })],
    ['does not say how often', () => own.put('silent/one.json', { ...said, looks: '3' })],
    ['is in a folder that cannot be read', () => own.put('silent', 'no folder')],
    ['is a link', () => symlinkSync(own.put('elsewhere.json', said), join(mkdirs('silent'), 'one.json'))],
  ])('that %s is none', (_what, make) => {
    make();
    expect(read()).toEqual([]);
  });

  test('is none where the boot cannot be told', () => {
    const { boot: _, ...unknown } = said;
    own.put('silent/one.json', unknown);
    expect([...readSilences(own.folder, { ...HERE, boot: undefined })]).toEqual([]);
  });

  const mkdirs = (name: string): string => {
    mkdirSync(join(own.folder.root, name), { recursive: true });
    return join(own.folder.root, name);
  };
});

describe('when a server was last used', () => {
  const USE: LastUse = { ms: 1_000, aheadMs: -2.5, activeAt: 3_000, busy: true };
  const said = { ...SCHEMA, boot: HERE.boot, servers: { '7-x': USE } };
  const read = (boot: string | undefined = HERE.boot) => [...readLastUses(own.folder, boot)];

  test('is read as the watch has noted it', () => {
    const idle: LastUse = { ms: 1, aheadMs: 0, activeAt: undefined, busy: undefined };
    writeLastUses(
      own.folder,
      HERE.boot,
      new Map([
        ['7-x', USE],
        ['8-y', idle],
      ]),
    );
    expect(read()).toEqual([
      ['7-x', USE],
      ['8-y', idle],
    ]);
    writeLastUses(own.folder, HERE.boot, new Map());
    expect(existsSync(own.folder.lastUses)).toBe(false);
  });

  test.each<[string, () => unknown]>([
    ['others could have written it', () => own.put('last-uses.json', said, 0o666)],
    ['it is of another boot', () => own.put('last-uses.json', { ...said, boot: 'another' })],
    ['it is of another version', () => own.put('last-uses.json', { ...said, schema: 'opencode-reap/2' })],
    ['it is torn', () => own.put('last-uses.json', '{')],
    ['it lists nothing', () => own.put('last-uses.json', { ...said, servers: null })],
    ['it is no file', () => mkdirSync(own.folder.lastUses)],
    ['a use is none', () => own.put('last-uses.json', { ...said, servers: { '7-x': 1 } })],
    ['a use is null', () => own.put('last-uses.json', { ...said, servers: { '7-x': null } })],
    ['a use has no time', () => own.put('last-uses.json', { ...said, servers: { '7-x': { aheadMs: 1 } } })],
    ['a use does not say by which clock', () => own.put('last-uses.json', { ...said, servers: { '7-x': { ms: 1 } } })],
    ['a clock is beyond all', () => own.put('last-uses.json', JSON.stringify(said).replace('-2.5', '1e999'))],
  ])('is not known where %s: then it was just used', (_what, make) => {
    make();
    expect(read()).toEqual([]);
  });

  test('is not known where the boot cannot be told', () => {
    const { boot: _, ...unknown } = said;
    own.put('last-uses.json', unknown);
    expect([...readLastUses(own.folder, undefined)]).toEqual([]);
  });

  test('is busy only where it says so', () => {
    own.put('last-uses.json', { ...said, servers: { '7-x': { ...USE, busy: 'yes' } } });
    expect(read()).toMatchObject([['7-x', { busy: undefined }]]);
  });

  test('is not that of an earlier look where it cannot be written', () => {
    writeLastUses(own.folder, HERE.boot, new Map([['7-x', USE]]));
    const { renameSync } = fs;
    const full = (): never => {
      throw Object.assign(new Error('a full disk'), { code: 'ENOSPC' });
    };
    Object.assign(fs, { renameSync: full });
    syncBuiltinESMExports();
    try {
      writeLastUses(own.folder, HERE.boot, new Map([['7-x', { ...USE, ms: 5_000 }]]));
    } finally {
      Object.assign(fs, { renameSync });
      syncBuiltinESMExports();
    }
    expect(existsSync(own.folder.lastUses)).toBe(false);
  });
});
