import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readRegistry, readRuns, registerRun } from '../../src/state/ours/registry.js';
import { HERE, ownFiles, pid, SCHEMA } from '../support/own-files.js';

/* What runs and keep marks count, and whom they have to be from. */

const own = ownFiles();

describe('the registration of a run', () => {
  const run = { holder: { pid: pid(7), startToken: 'x' }, machine: HERE };
  const registry = () => readRegistry(own.folder, [own.folder], [], { host: HERE, startTokens: 'own' });

  test('is there until it is over', () => {
    const done = registerRun(own.folder, run);
    expect(readRuns([own.folder])).toMatchObject([{ ...run, file: join(own.folder.runs, '7-x.json') }]);
    done();
    expect(readRuns([own.folder])).toEqual([]);
    registerRun(own.folder, { ...run, holder: { pid: pid(7), startToken: undefined } });
    expect(readRuns([own.folder])).toMatchObject([{ file: join(own.folder.runs, '7-unknown.json') }]);
  });

  test.each<[string, unknown, number, string]>([
    ['others could have written', { ...SCHEMA, ...run }, 0o666, 'anyone can write to the file'],
    ['is torn', '{', 0o600, 'not valid JSON'],
    ['is of no process', { ...SCHEMA }, 0o600, 'it does not name a process'],
    ['is of pid 1', { ...SCHEMA, ...run, holder: { pid: 1, startToken: 'x' } }, 0o600, 'it does not name a process'],
  ])('that %s is none: its connections are clients', (_what, content, mode, error) => {
    const file = own.put('runs/one.json', content, mode);
    expect(readRuns([own.folder])).toEqual([]);
    const { runs, unread } = registry();
    expect([runs, unread]).toMatchObject([[], [{ file, kind: 'run', error }]]);
  });

  test('that cannot be written is none, and ends as one that was', () => {
    own.put('runs', 'no folder');
    registerRun(own.folder, run)();
    expect(readRuns([own.folder])).toEqual([]);
  });
});

const ITS = { pid: pid(7), startToken: 'x' };

describe('a keep mark', () => {
  const kept = () => readRegistry(own.folder, [own.folder], [], { host: HERE, startTokens: 'own' });

  test('counts by its name, whatever it contains', () => {
    own.put('keep/a.json', '{');
    own.put('keep/b.json', { ...SCHEMA, id: 'another', processes: 'none' });
    mkdirSync(join(own.folder.keep, 'c.json'));
    own.put('keep/d.json', {
      ...SCHEMA,
      machine: HERE,
      processes: [ITS, { pid: 5 }, { pid: 1, startToken: 'x' }],
    });
    const { kept: marks, unread } = kept();
    expect(marks.map(({ id, processes }) => [id, processes])).toEqual([
      ['a', []],
      ['b', []],
      ['c', []],
      ['d', [ITS]],
    ]);
    expect([marks[3]?.machine?.id, unread]).toEqual([HERE.id, []]);
  });

  test('may be in a folder that cannot be read', () => {
    const file = own.put('keep', 'no folder');
    expect(kept()).toMatchObject({ kept: [], unread: [{ file, kind: 'keep' }] });
  });
});
