import { openSync, readFileSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCode, isAbsent, isMissing, isOfEndedProcess, isSystemError, tryRead } from '../../src/common/errors.js';
import { attempt } from '../../src/state/files/write.js';

const coded = (code: string): Error => Object.assign(new Error(code), { code });

const thrownBy = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

const SAID_BY_THE_SYSTEM = [
  ...['EACCES', 'EDQUOT', 'EHOSTDOWN', 'EIO', 'ELOOP', 'ENAMETOOLONG', 'ENODEV', 'ENOSPC', 'ENXIO', 'EROFS'],
  ...['ESTALE', 'ETIMEDOUT', 'E2BIG', 'UNKNOWN', 'ERR_SYSTEM_ERROR', 'ERR_FS_FILE_TOO_LARGE', 'ERR_STRING_TOO_LONG'],
].map((code): [string, unknown] => [code, coded(code)]);

test.each<[string, unknown]>([
  ...SAID_BY_THE_SYSTEM,
  ['a name that is too long', thrownBy(() => readFileSync(`/${'x'.repeat(5_000)}`))],
  ['a path with a NUL', thrownBy(() => readFileSync('/\0'))],
])('%s is what the system says', (_, error) => {
  const fail = (): never => {
    throw error;
  };
  expect(isSystemError(error)).toBe(true);
  expect(tryRead(fail)).toBeUndefined();
  expect(attempt(fail)).toBe(errorCode(error));
});

test.each<[string, unknown]>([
  ['a path that is none', thrownBy(() => openSync(undefined as unknown as string, 'r'))],
  ['a descriptor that is none', thrownBy(() => writeSync(-1.5, 'x'))],
  ['a plain error', new Error('EACCES')],
  ['a code that is no text', Object.assign(new Error('1'), { code: 1 })],
  ['what is no error', { code: 'EACCES' }],
])('%s is a mistake of ours, and comes through', (_, error) => {
  const fail = (): never => {
    throw error;
  };
  expect(isSystemError(error)).toBe(false);
  expect(thrownBy(() => errorCode(error))).toBe(error);
  expect(thrownBy(() => tryRead(fail))).toBe(error);
  expect(thrownBy(() => attempt(fail))).toBe(error);
});

test('which codes mean that nothing is there', () => {
  const codes = ['ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES', 'ELOOP'];
  expect(codes.filter(isAbsent)).toEqual(['ENOENT', 'ENOTDIR']);
  expect(codes.filter((code) => isMissing(coded(code)))).toEqual(['ENOENT']);
  expect(codes.filter((code) => isOfEndedProcess(coded(code)))).toEqual(['ENOENT', 'ENOTDIR', 'ESRCH']);
  expect(isAbsent(undefined)).toBe(false);
});
