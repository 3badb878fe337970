import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Disk, startable } from '../../../src/observe/windows/program.js';

const shim = (version: string): string =>
  readFileSync(new URL(`captures/npm-shim-${version}.cmd`, import.meta.url), 'utf8');

const NPM = 'C:\\Users\\me\\AppData\\Roaming\\npm';
const EXE = `${NPM}\\node_modules\\opencode-ai\\bin\\opencode.exe`;
const ENV = {
  Path: `relative;"C:\\Program Files\\x";${NPM}`,
  PATHEXT: '.COM;.EXE;.BAT;.CMD;.JS',
  SystemRoot: 'C:\\WINDOWS',
};
const ARGS = ['serve', '--port', '4096'];

const diskOf = (files: Readonly<Record<string, string>>): Disk => ({
  isFile: (path) => path in files,
  read: (path) => files[path],
});

const started = (files: Readonly<Record<string, string>>, command = 'opencode', args = ARGS, env: object = ENV) =>
  startable(command, args, { ...env }, diskOf(files));

test('an .exe on the PATH is started as it is, before a .cmd beside it', () => {
  const file = `C:\\Program Files\\x\\opencode.exe`;
  expect(started({ [file]: '', 'C:\\Program Files\\x\\opencode.cmd': '' })).toEqual({
    command: file,
    args: ARGS,
    isLine: false,
  });
});

test('what comes first in PATHEXT is started, and without one what Windows has there', () => {
  const files = { [`${NPM}\\opencode.exe`]: '', [`${NPM}\\opencode.cmd`]: shim('1.18'), [EXE]: '' };
  const withEnv = (env: object) => started(files, 'opencode', ARGS, { ...ENV, ...env })?.command;
  expect(withEnv({ PATHEXT: '.CMD;.EXE' })).toBe(EXE);
  expect(withEnv({ PATHEXT: undefined })).toBe(`${NPM}\\opencode.exe`);
  expect(started(files, 'opencode.cmd')?.command).toBe(EXE);
});

test.each([
  ['CMD', true],
  ['bat', true],
  ['cmd.exe', false],
  ['Exe', false],
  ['com', false],
])(
  'a program that is named with .%s is looked for by that name, and only a script takes cmd.exe',
  (extension, isLine) => {
    const file = `${NPM}\\opencode.${extension}`;
    expect(started({ [file]: 'x' }, `opencode.${extension}`)).toMatchObject({ isLine });
    expect(started({ [file]: 'x' }, file)).toMatchObject({ isLine });
  },
);

test('where PATHEXT or PATH has something else, that is nothing', () => {
  const env = { ...ENV, PATHEXT: '.x.EXE;.EXES;.BAT;.COM', Path: 'x C:\\here;\\\\server\\share\\' };
  const found = (name: string) => started({ [name]: 'x' }, 'opencode', ARGS, env)?.command;
  expect(found('\\\\server\\share\\opencode.com')).toBe('\\\\server\\share\\opencode.com');
  expect(found('\\\\server\\share\\opencode.bat')).toBe('C:\\WINDOWS\\System32\\cmd.exe');
  for (const name of ['opencode.x.exe', 'opencode.exes', 'opencode.js'])
    expect(found(`\\\\server\\share\\${name}`)).toBeUndefined();
  expect(found('x C:\\here\\opencode.com')).toBeUndefined();
});

test('on the disk that there is, nothing is found where nothing is', () => {
  expect(startable('C:\\nowhere\\opencode', ARGS, ENV)).toBeUndefined();
});

test('behind the .cmd of npm, the .exe is started', () => {
  const files = { [`${NPM}\\opencode.cmd`]: shim('1.18'), [EXE]: '' };
  expect(started(files)).toEqual({ command: EXE, args: ARGS, isLine: false });
  expect(started(files, `${NPM}\\opencode`)).toEqual({ command: EXE, args: ARGS, isLine: false });
});

test.each([
  ['a script', shim('1.14')],
  ['an .exe that is not there', shim('1.18')],
  ['something else', '@echo off\r\nvolta run opencode %*\r\n'],
])('a .cmd that leads to %s is run by cmd.exe, from System32', (_what, text) => {
  expect(started({ [`${NPM}\\opencode.cmd`]: text })).toEqual({
    command: 'C:\\WINDOWS\\System32\\cmd.exe',
    args: ['/d', '/s', '/c', `""${NPM}\\opencode.cmd" "serve" "--port" "4096""`],
    isLine: true,
  });
});

test.each(['a&calc', 'a"b', '%PATH%', 'a^b', 'a|b', 'a>b', 'a\nb'])(
  'what cmd.exe would take for more than a word is not handed to it: %s',
  (word) => {
    expect(started({ [`${NPM}\\opencode.cmd`]: 'x' }, 'opencode', ['serve', word])).toBeUndefined();
  },
);

test.each([
  ['is nowhere', 'opencode', {}],
  ['is in the current directory alone', 'opencode', { 'relative\\opencode.exe': '', 'opencode.exe': '' }],
  ['is named by a relative path', '.\\opencode', { '.\\opencode.exe': '' }],
])('a program that %s is not found', (_why, command, files) => {
  expect(started(files, command)).toBeUndefined();
});
