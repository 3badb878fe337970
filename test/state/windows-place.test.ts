import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../src/common/errors.js';
import { within } from '../../src/decide/leases.js';
import { placeAt } from '../../src/observe/directories.js';
import { readSmall } from '../../src/state/files/read.js';

/* Files of Windows itself: where they lie, by which name, and what a link or a junction leads to. */

const notHere = process.platform === 'win32' ? '' : ' (skipped: of Windows alone; npm run test:wine runs it)';

/** As cmd.exe knows it, such as `C:\\PROGRA~1`. */
const shortNameOf = (folder: string): string =>
  spawnSync('cmd.exe', ['/d', '/c', `for %I in ("${folder}") do @echo %~sI`], {
    encoding: 'utf8',
    windowsVerbatimArguments: true,
  }).stdout.trim();

function isMade(make: () => void): boolean {
  try {
    make();
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOTSUP') return false;
    throw error;
  }
}

let inside: string;
let outside: string;

describe.skipIf(notHere)(`a file on Windows${notHere}`, () => {
  beforeEach(() => {
    inside = mkdtempSync(join(homedir(), 'opencode-reap-'));
    outside = mkdtempSync('C:\\opencode-reap-');
    for (const folder of [inside, outside]) writeFileSync(join(folder, 'file'), 'text');
  });
  afterEach(() => {
    for (const folder of [inside, outside]) rmSync(folder, { recursive: true, force: true });
  });

  const trust = (file: string) => {
    const read = readSmall(file);
    return read.kind === 'text' ? read.trust.kind : read;
  };

  test('in the profile is trusted, by any case of its name, either slash and a long form', () => {
    const file = join(inside, 'file');
    for (const name of [file, file.toUpperCase(), file.replaceAll('\\', '/'), `\\\\?\\${file}`])
      expect(trust(name), name).toBe('trusted');
    expect(tmpdir().toLowerCase()).toContain(homedir().toLowerCase());
  });

  test('elsewhere on the drive is not examined', () => {
    expect(trust(join(outside, 'file'))).toBe('unexamined');
    expect(trust(join(inside, '..', '..', '..', outside.slice(3), 'file'))).toBe('unexamined');
  });

  test('that is missing, or a folder, is no file', () => {
    mkdirSync(join(inside, 'folder'));
    expect(readSmall(join(inside, 'folder'))).toEqual({ kind: 'unread', error: 'not a regular file' });
    expect(readSmall(join(inside, 'none'))).toEqual({ kind: 'absent' });
    expect(readSmall(join(inside, 'none', 'file'))).toEqual({ kind: 'absent' });
  });

  test('in the profile is trusted by its short name too', ({ skip }) => {
    const short = shortNameOf(inside);
    if (short.toLowerCase() === inside.toLowerCase()) skip('this drive has no short names');
    expect(trust(`${short}\\file`)).toBe('trusted');
  });

  test('lies in the same folder by any of these names', () => {
    const names = [inside, inside.toLowerCase(), inside.replaceAll('\\', '/'), `${inside}\\`, shortNameOf(inside)];
    for (const name of names) {
      expect(within(placeAt(name).real, placeAt(inside).real), name).toBe(true);
      expect(within(placeAt(inside).real, placeAt(name).real), name).toBe(true);
    }
    expect(within(placeAt(outside).real, placeAt(inside).real)).toBe(false);
  });

  test('behind a junction in the profile is where it really is', ({ skip }) => {
    if (!isMade(() => symlinkSync(outside, join(inside, 'junction'), 'junction')))
      skip('no junction can be made here, as under Wine');
    expect(trust(join(inside, 'junction', 'file'))).toBe('unexamined');
    expect(readSmall(join(inside, 'junction'))).toEqual({ kind: 'unread', error: 'a symbolic link' });
  });
});
