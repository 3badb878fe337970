export type { Outcome } from './decide/outcome.js';
export type { Reaped } from './decide/plan.js';
export type { Verdict } from './decide/verdict.js';
export { type Request, reap } from './reap.js';
export { openWorld, type World } from './world.js';
