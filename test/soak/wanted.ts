import type { ServerKind } from './innocents.js';

/** What `npm run soak` was asked for, as `run.mjs` hands it on. */
export const CYCLES = Number(process.env.SOAK_CYCLES ?? 20);
export const SEED = Number(process.env.SOAK_SEED ?? 1);
export const FROM = Number(process.env.SOAK_FROM ?? 0);
export const CROWDS = Number(process.env.SOAK_CROWDS ?? 0);
export const KIND: ServerKind = process.env.SOAK_REAL ? 'real' : 'stand-in';

/** For one cycle, or one crowd, on a machine that is starved; three seconds, or twenty, on one that is not. */
export const MOST_MS = 180_000;
