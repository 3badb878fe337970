import { spawnSync } from 'node:child_process';
import { type Found, findPlace } from './find-directory.js';

/*
 * A file system that does not answer blocks its caller, in a call that not even SIGKILL always ends, and a node whose
 * thread is kept cannot exit. So two processes are started: one that asks, and may stay until the file system is let
 * go, and one between that waits for it no longer than this.
 */

/** For all such file systems together, once they are being asked. */
const DEADLINE_MS = 1_000;
/** And for a machine on which it takes long to start anything. */
const ALTOGETHER_MS = 6_000;
const MAX_BYTES = 16 * 1024 * 1024;

/** `findPlace` as text: what it is given here, it has from its own node. */
const ASKS = `const fs = require('node:fs'), path = require('node:path'), find = ${findPlace};
fs.writeSync(1, '\\n');
for (const one of JSON.parse(process.argv[1]))
  fs.writeSync(1, JSON.stringify(find(one, { fs, path, crossing: () => undefined })) + '\\n');`;

const WAITS = `const { spawn } = require('node:child_process');
const [asks, ms, ...groups] = process.argv.slice(1);
let left = groups.length;
for (const group of groups) {
  const late = new AbortController();
  const options = { stdio: ['ignore', 'pipe', 'ignore'], cwd: '/', env: {}, signal: late.signal, killSignal: 'SIGKILL' };
  const child = spawn(process.execPath, ['-e', asks, group], options).on('error', () => undefined);
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  }).once('data', () => setTimeout(() => late.abort(), Number(ms)));
  const done = () => {
    process.stdout.write(said.slice(0, said.lastIndexOf('\\n') + 1));
    said = '';
    if (--left === 0) process.exit();
  };
  late.signal.addEventListener('abort', done, { once: true });
  child.once('close', () => late.signal.aborted || done());
}`;

/** What was found of each path in time; each group is asked by a process of its own, so that none waits for another. */
export function askDisk(groups: readonly (readonly string[])[]): Map<string, Found> {
  const args = ['-e', WAITS, ASKS, String(DEADLINE_MS), ...groups.map((paths) => JSON.stringify(paths))];
  const { stdout } = spawnSync(process.execPath, args, {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    timeout: ALTOGETHER_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_BYTES,
    windowsHide: true,
  });
  const found = (stdout ?? '').split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Found]));
  return new Map(found.map((one) => [one.path, one]));
}
