import fs, { type Stats, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os, { userInfo } from 'node:os';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { asksElsewhere, hasNobodyElse, idOf, NOBODY_KNOWN, trustOf } from '../../src/state/files/trust.js';

/* Each part of the judgement of a file alone, by owners and modes that are made up; trust.test.ts has real ones. */

const US = 1000;
const OTHER = US + 1;
const OURS = 2000;
/** A group that is not ours, so that no list of its members counts. */
const GROUP = OURS + 1;
const { getuid, getgid } = process;
beforeEach(() => void Object.assign(process, { getuid: () => US, getgid: () => OURS }));
afterEach(() => void Object.assign(process, { getuid, getgid }));

const stats = (but: Partial<Stats>, mode: number): Stats => ({ uid: US, gid: GROUP, mode, nlink: 1, ...but }) as Stats;
const file = (but: Partial<Stats> = {}): Stats => stats(but, 0o100600);
const folder = (but: Partial<Stats> = {}): Stats => stats(but, 0o040700);
const because = (one: Stats, its: Stats): string => {
  const trust = trustOf(one, its, '/x');
  return trust.kind === 'untrusted' ? trust.because : trust.kind;
};

describe('a file', () => {
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
    ['a folder of root’s that is not sticky', file(), folder({ uid: 0, gid: GROUP, mode: 0o040775 })],
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

/** Lists of users and groups in place of this machine's. */
function standInForLists(lists: Readonly<Record<string, string>>, user: () => string): void {
  const { readFileSync } = fs;
  vi.spyOn(fs, 'readFileSync').mockImplementation(((name: string, ...how: []) => {
    if (!name.startsWith('/etc/')) return readFileSync(name, ...how);
    if (name in lists) return lists[name];
    throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
  }) as typeof readFileSync);
  vi.spyOn(os, 'userInfo').mockImplementation((() => ({ username: user() })) as unknown as typeof userInfo);
  syncBuiltinESMExports();
}

const ofNoList = (): never => {
  throw Object.assign(new Error('uv_os_get_passwd returned ENOENT'), { code: 'ERR_SYSTEM_ERROR' });
};
const notNow = (): never => {
  throw Object.assign(new Error('uv_os_get_passwd returned EIO'), { code: 'ERR_SYSTEM_ERROR' });
};

describe('what our group may write, by stand-ins for the lists of users and groups,', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
  const ours = file({ gid: OURS, mode: 0o100660 });
  const OF_ME = { '/etc/passwd': `me:x:${US}:${OURS}\nother:x:9999:9999`, '/etc/group': 'users:x:100:me' };
  const UNKNOWN = { '/etc/passwd': 'root:x:0:0', '/etc/group': '' };
  const SAID = `group ${OURS} can write to the file`;
  const GROUPS_ON_LDAP = { '/etc/nsswitch.conf': 'passwd: files\ngroup: files ldap\nhosts: dns' };
  const HERE = { '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: dns' };

  test.each<[string, string, Readonly<Record<string, string>>, () => string]>([
    ['is trusted where nobody else is in it', 'trusted', OF_ME, () => 'me'],
    ['is not where another is in it', SAID, { ...OF_ME, '/etc/group': `g:x:${OURS}:other` }, () => 'me'],
    ['is not where there is no such list', SAID, {}, () => 'me'],
    ['is trusted for a user of no list, if nobody is in it', 'trusted', { ...UNKNOWN, ...HERE }, ofNoList],
    ['is trusted for that user where nothing says where lists are', 'trusted', UNKNOWN, ofNoList],
    ['is not for one who may be listed elsewhere', SAID, { ...UNKNOWN, ...GROUPS_ON_LDAP }, ofNoList],
    ['is not while nobody says who we are', SAID, { ...UNKNOWN, ...HERE }, notNow],
  ])('%s', (_what, said, lists, user) => {
    standInForLists(lists, user);
    expect(because(ours, folder())).toBe(said);
  });

  test('is not where the group is another than that of this process', () => {
    standInForLists({ '/etc/passwd': `me:x:${US}:${GROUP}`, '/etc/group': '' }, () => 'me');
    expect(because(file({ mode: 0o100660 }), folder())).toBe(`group ${GROUP} can write to the file`);
  });
});

test('where files have no owner, as on Windows, the place tells, and which file is there', () => {
  Object.assign(process, { getuid: undefined });
  // The profile itself, which is on any platform.
  const { homedir } = userInfo();
  const trust = (id?: string) => trustOf(file(), folder(), homedir, id).kind;
  const itself = idOf(statSync(homedir, { bigint: true }));
  expect([trust(), trust(itself), trust('another')]).toEqual(['trusted', 'trusted', 'unexamined']);
});
