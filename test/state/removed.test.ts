import { existsSync, mkdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Lease } from '../../src/model/record.js';
import { parseLease } from '../../src/state/ours/lease-file.js';
import { removeEnded } from '../../src/state/ours/tidy.js';
import { HERE, ownFiles, pid, SCHEMA } from '../support/own-files.js';

/* Which of our own files are removed, and which have become somebody else's since they were read. */

const own = ownFiles();

describe('at the end of a run', () => {
  const said = { ...SCHEMA, session: 's', port: 4096, servers: [], at: '2026-01-01T00:00:00.000Z' };
  const holder = (value: number) => ({ pid: value, startToken: 'x', machine: HERE });
  const lease = (file: string, but: object = {}): Lease => {
    const read = parseLease(file, JSON.stringify({ ...said, ...but }), { kind: 'trusted' }, 0);
    return typeof read === 'string' ? expect.fail(read) : read;
  };

  test.each<[string, object, object, boolean]>([
    ['goes', { holder: holder(7) }, { holder: holder(7) }, false],
    ['without a holder goes', { expiresAt: 1_000 }, { expiresAt: 1_000 }, false],
    ['stays that was renewed since', { expiresAt: 2_000 }, { expiresAt: 1_000 }, true],
    ['stays that has another holder by now', { holder: holder(8) }, { holder: holder(7) }, true],
    ['stays that cannot be read by now', { schema: 'another' }, { holder: holder(7) }, true],
  ])('a lease that has ended and %s', (_what, now, ended, stays) => {
    const file = own.put('leases/one.json', { ...said, ...now });
    removeEnded([own.folder], [lease(file, ended)], []);
    expect(existsSync(file)).toBe(stays);
  });

  test('a lease that is gone by now is no error, and neither is a folder in its place', () => {
    mkdirSync(join(own.folder.leases, 'two.json'), { recursive: true });
    for (const name of ['one.json', 'two.json'])
      removeEnded([own.folder], [lease(join(own.folder.leases, name), { holder: holder(7) })], []);
    expect(existsSync(join(own.folder.leases, 'two.json'))).toBe(true);
  });

  test('the registration of a dead run goes, and others stay', () => {
    const [dead, other] = [own.put('runs/one.json', '{}'), own.put('runs/two.json', '{}')];
    removeEnded([own.folder], [], [{ file: dead, holder: { pid: pid(7), startToken: 'x' }, machine: HERE }]);
    expect([existsSync(dead), existsSync(other)]).toEqual([false, true]);
  });

  test('what killed writers left goes from every own.folder, and nothing else', () => {
    const { lastUses: _l, notice: _n, log: _o, ...folders } = own.folder;
    const old = new Date(Date.now() - 24 * 3_600_000);
    const left = Object.values(folders).map((place) =>
      own.put(join(place, '.1-2-3.tmp').slice(own.folder.root.length), ''),
    );
    const kept = Object.values(folders).map((place) =>
      own.put(join(place, 'x.json').slice(own.folder.root.length), ''),
    );
    for (const file of [...left, ...kept]) utimesSync(file, old, old);
    removeEnded([own.folder], [], []);
    expect([left.filter(existsSync), kept.filter((file) => !existsSync(file))]).toEqual([[], []]);
  });
});
