import { require } from './require.js';

/*
 * In place of `node:fs` in the vendored file. An import of it looks at everything that it has, streams and promises too,
 * which takes 6 ms; `require` does not.
 */

const fs = require('node:fs') as typeof import('node:fs');

export default fs;
export const {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} = fs;
