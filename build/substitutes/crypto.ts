import { require } from './require.js';

/* In place of `node:crypto` in the vendored file, as http.ts: loading it takes 7 ms. */

const load = (): typeof import('node:crypto') => require('node:crypto');

export const createHash: typeof import('node:crypto').createHash = (...args) => load().createHash(...args);
export const randomBytes = (size: number): Buffer => load().randomBytes(size);
