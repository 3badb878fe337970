import { require } from './require.js';

/* In place of `node:util` in the library and in the vendored file, as fs.ts: 0.4 ms and 40 bytes less. */
export const { promisify } = require('node:util') as typeof import('node:util');
