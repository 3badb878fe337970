export type * from './library/api.js';
export { attachSession, ensureServer, reap, releaseSession, scan, stopServer } from './library/library.js';
