import { createRequire } from 'node:module';

/** What the other substitutes load node's modules with; one for all is 200 bytes less than one for each. */
export const require = createRequire(import.meta.url);
