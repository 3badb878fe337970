import { userInfo } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { tokenOfProcStart } from '../../src/decide/claude-list.js';
import { spellingsOf } from '../../src/observe/hashed-directory.js';
import { tilde } from '../../src/report/text.js';
import { retryInUse } from '../../src/state/files/retry.js';
import { idOf } from '../../src/state/files/trust.js';
import { trustByPlace, trustInProfile } from '../../src/state/files/trust-by-place.js';

const HOME = 'C:\\Users\\me';

test.each<[string, string | undefined, string | undefined, string]>([
  ['in the profile', `${HOME}\\.claude\\x.json`, HOME, 'trusted'],
  ['in the profile, in other case', 'c:\\users\\ME\\x.json', HOME, 'trusted'],
  ['in the profile, by a long form', `\\\\?\\${HOME}\\x.json`, HOME, 'trusted'],
  ['elsewhere on the drive', 'C:\\tmp\\oc-bridge-state.json', HOME, 'unexamined'],
  ['in a profile whose name begins alike', 'C:\\Users\\me2\\x.json', HOME, 'unexamined'],
  ['in a profile that is a whole drive', 'C:\\tmp\\x.json', 'C:\\', 'unexamined'],
  ['on the network', '\\\\nas\\me\\x.json', HOME, 'unexamined'],
  ['in a profile on the network', '\\\\nas\\me\\x.json', '\\\\nas\\me', 'unexamined'],
  ['in a profile on the network, by a long form', '\\\\?\\UNC\\nas\\me\\x', '\\\\?\\UNC\\nas\\me', 'unexamined'],
  ['nowhere that can be told', undefined, HOME, 'unexamined'],
  ['anywhere, without a profile', `${HOME}\\x.json`, undefined, 'unexamined'],
])('a file of Windows %s', (_where, file, home, kind) => {
  expect(trustInProfile(file, home).kind).toBe(kind);
});

test('a file is itself by its path and by a descriptor, and no other file of its volume', () => {
  const [byPath, byDescriptor] = [
    { dev: 0x12_3456_fe91_e472n, ino: 2n ** 60n },
    { dev: 0xfe91_e472n, ino: 2n ** 60n },
  ];
  expect(idOf(byPath)).toBe(idOf(byDescriptor));
  expect(idOf({ dev: -0x16e_1b8en, ino: 2n ** 60n })).toBe(idOf(byDescriptor));
  expect(idOf({ ...byPath, ino: 2n ** 60n + 1n })).not.toBe(idOf(byPath));
});

test('a file of Windows that is another one by the time that it is found is not examined', () => {
  // The profile itself, which is on any platform.
  const { homedir } = userInfo();
  expect([true, false].map((isIt) => trustByPlace(homedir, () => isIt).kind)).toEqual(['trusted', 'unexamined']);
});

const failing = (code: string, times: number) => {
  let tried = 0;
  return {
    tries: () => tried,
    change: () => {
      tried += 1;
      if (tried <= times) throw Object.assign(new Error(code), { code });
      return 'done';
    },
  };
};

test('a file that is in use is tried again on Windows alone, and after a pause', () => {
  const { getuid } = process;
  onTestFinished(() => void Object.assign(process, { getuid }));
  Object.assign(process, { getuid: () => 1000 });
  const elsewhere = failing('EBUSY', 1);
  expect(() => retryInUse(elsewhere.change, undefined, [0])).toThrow('EBUSY');
  Object.assign(process, { getuid: undefined });
  const began = performance.now();
  expect(retryInUse(failing('EBUSY', 1).change, undefined, [30])).toBe('done');
  expect(performance.now() - began).toBeGreaterThan(25);
});

test.each(['EPERM', 'EACCES', 'EBUSY'])('a file that is in use (%s) is tried again', (code) => {
  const { change, tries } = failing(code, 2);
  expect(retryInUse(change, true, [0, 0, 0])).toBe('done');
  expect(tries()).toBe(3);
});

test.each<[string, string, boolean, number]>([
  ['stays in use', 'EPERM', true, 4],
  ['is missing', 'ENOENT', true, 1],
  ['is not ours to change, where that is what it means', 'EPERM', false, 1],
])('a file that %s is given up with its error', (_why, code, mayBeInUse, times) => {
  const { change, tries } = failing(code, 99);
  expect(() => retryInUse(change, mayBeInUse, [0, 0, 0])).toThrow(code);
  expect(tries()).toBe(times);
});

test('a path on a drive has the hashes of all of its spellings, and any other path its own', () => {
  expect(new Set(spellingsOf('C:\\proj\\shop'))).toEqual(
    new Set(['C:\\proj\\shop', 'c:\\proj\\shop', 'C:/proj/shop', 'c:/proj/shop']),
  );
  expect(spellingsOf('/proj/a\\b')).toEqual(['/proj/a\\b']);
  expect(spellingsOf('\\\\nas\\x')).toEqual(['\\\\nas\\x']);
});

test.each<[unknown, string | undefined]>([
  ['134400737598698460', '13440073759869846'],
  [134400737598698460, undefined],
  ['4711', undefined],
  ['Wed Nov 25 2026', undefined],
  [undefined, undefined],
])('what Claude Code lists as the start of a process: %s', (said, token) => {
  expect(tokenOfProcStart(said, 'microseconds')).toBe(token);
});

test('the user profile is shortened with either slash', () => {
  expect(tilde(`${HOME}\\code\\shop`, HOME)).toBe('~\\code\\shop');
  expect(tilde(HOME, HOME)).toBe('~');
  expect(tilde(`${HOME}2\\code`, HOME)).toBe(`${HOME}2\\code`);
  expect(tilde('/home/me/code', '/home/me')).toBe('~/code');
});
