import { require } from './require.js';

/*
 * In place of `node:crypto` in every bundle: loads it at the first call, which saves 2 ms. Safe as
 * child-process.ts is.
 */

const load = (): typeof import('node:crypto') => require('node:crypto');

export const createHash: typeof import('node:crypto').createHash = (...args) => load().createHash(...args);
export const randomBytes = (size: number): Buffer => load().randomBytes(size);
export const randomUUID: typeof import('node:crypto').randomUUID = (...args) => load().randomUUID(...args);
