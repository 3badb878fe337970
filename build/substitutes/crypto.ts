import { require } from './require.js';

/*
 * In place of `node:crypto` in the library and in the vendored file: loads it at the first call, which saves 2 ms. Safe as
 * child-process.ts is.
 */

const load = (): typeof import('node:crypto') => require('node:crypto');

export const createHash: typeof import('node:crypto').createHash = (...args) => load().createHash(...args);
export const randomBytes = (size: number): Buffer => load().randomBytes(size);
