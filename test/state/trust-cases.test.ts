import type { Stats } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { asksElsewhere, hasNobodyElse, NOBODY_KNOWN, trustOf } from '../../src/state/files/trust.js';

/* Each part of the judgement of a file alone, by owners and modes that are made up; trust.test.ts has real ones. */

const US = process.getuid?.() ?? -1;
const OTHER = US + 1;
/** A group that is not ours, so that no list of its members counts. */
const GROUP = (process.getgid?.() ?? 0) + 1;

const stats = (but: Partial<Stats>, mode: number): Stats => ({ uid: US, gid: GROUP, mode, nlink: 1, ...but }) as Stats;
const file = (but: Partial<Stats> = {}): Stats => stats(but, 0o100600);
const folder = (but: Partial<Stats> = {}): Stats => stats(but, 0o040700);
const because = (one: Stats, its: Stats): string => {
  const trust = trustOf(one, its, '/x');
  return trust.kind === 'untrusted' ? trust.because : trust.kind;
};

describe.skipIf(US < 0)('a file', () => {
  test('of ours in a folder of ours is trusted', () => expect(because(file(), folder())).toBe('trusted'));

  test.each<[string, Stats, Stats]>([
    [`the file belongs to user ${OTHER}`, file({ uid: OTHER }), folder()],
    [`its folder belongs to user ${OTHER}`, file(), folder({ uid: OTHER })],
    ['anyone can write to the file', file({ mode: 0o100602 }), folder()],
    ['anyone can write to its folder', file(), folder({ mode: 0o040702 })],
    [`group ${GROUP} can write to the file`, file({ mode: 0o100620 }), folder()],
    [`group ${GROUP} can write to its folder`, file(), folder({ mode: 0o040720 })],
  ])('is not, where %s', (said, one, its) => expect(because(one, its)).toBe(said));

  test.each<[string, Stats, Stats]>([
    ['execute and read', file({ mode: 0o100655 }), folder({ mode: 0o040755 })],
    ['have a sticky folder of root’s', file(), folder({ uid: 0, mode: 0o041777 })],
    ['have a sticky folder of ours', file(), folder({ mode: 0o041777 })],
  ])('is trusted where others may only %s', (_what, one, its) => expect(because(one, its)).toBe('trusted'));

  test.each<[string, Stats, Stats]>([
    ['the file itself', file({ mode: 0o100602 }), folder({ uid: 0, mode: 0o041777 })],
    ['the file’s other name', file({ nlink: 2 }), folder({ mode: 0o041777 })],
    ['a folder that is not sticky', file(), folder({ uid: 0, mode: 0o040777 })],
    ['a sticky folder of somebody else’s', file(), folder({ uid: OTHER, mode: 0o041777 })],
  ])('is not trusted because of %s', (_what, one, its) => expect(because(one, its)).not.toBe('trusted'));
});

describe('a group', () => {
  const passwd = [
    ['root', 'x', '0', '0'],
    ['me', 'x', '1000', '1000'],
    ['other', 'x', '1001', '1001'],
  ];
  const beside = (...more: readonly string[][]) => [...passwd, ...more];
  const group = (members: string | undefined): string[][] => [
    ['users', 'x', '100', 'other'],
    ['me', 'x', '1000', ...(members === undefined ? [] : [members])],
  ];

  test.each<[string, boolean, string[][], string[][]]>([
    ['is ours alone', true, passwd, group('')],
    ['is ours alone where nothing is said of it', true, passwd, []],
    ['is ours alone where a list names us again', true, passwd, group('me')],
    ['is ours alone where a row is short', true, passwd, group(undefined)],
    ['has another member', false, passwd, group('other')],
    ['has another member beside us', false, passwd, group('me,other')],
    ['is the first group of another user', false, beside(['guest', 'x', '1002', '1000']), group('')],
    ['is that of a user who is in no list', false, [passwd[0] ?? []], group('')],
    ['is that of a user who is listed as a member alone', false, [passwd[0] ?? []], group('me')],
  ])('%s', (_what, is, users, groups) => expect(hasNobodyElse(1000, 'me', users, groups)).toBe(is));

  test.each<[string, boolean, string[][], string[][]]>([
    ['is root’s', true, passwd, [['root', 'x', '0', '']]],
    ['has root for a member', true, passwd, [['root', 'x', '0', 'root']]],
    ['has another member', false, passwd, [['root', 'x', '0', 'other']]],
    ['is nobody’s where no list says who root is', true, [], []],
  ])('of a user whom this machine does not know %s', (_what, is, users, groups) =>
    expect(hasNobodyElse(0, NOBODY_KNOWN, users, groups)).toBe(is),
  );
});

test.each<[string, boolean]>([
  ['passwd: files', false],
  ['group:    files systemd', false],
  ['passwd: compat # ldap', false],
  ['passwd: files [NOTFOUND=return] db', false],
  ['hosts: files dns', false],
  ['passwd: files ldap', true],
  ['group: sss files', true],
  ['initgroups: sss', true],
  [' passwd : files winbind', true],
])('users or groups are looked up elsewhere by the line %s: %s', (line, is) =>
  expect(asksElsewhere(line.split(':'))).toBe(is),
);
