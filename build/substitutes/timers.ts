/* In place of `node:timers/promises`, as path.ts. */
export { setImmediate, setTimeout } from 'node:timers/promises';
