import { require } from './require.js';

/* In place of `node:util` in the vendored file, as fs.ts. */
export const { promisify } = require('node:util') as typeof import('node:util');
