import { createRequire } from 'node:module';

/* In place of `node:util` in the vendored file, as fs.ts. */
export const { promisify } = createRequire(import.meta.url)('node:util') as typeof import('node:util');
