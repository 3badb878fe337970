export type * from './api.js';
export { attachSession, ensureServer, reap, releaseSession, scan, stopServer } from './library.js';
