import { readFileSync, readlinkSync } from 'node:fs';
import { tryRead } from '../../common/errors.js';

/* What the kernel shows in /proc, as files and as links. Undefined when it cannot be read. */

export const textAt = (file: string): string | undefined => tryRead(() => readFileSync(file, 'utf8'));

export const linkAt = (path: string): string | undefined => tryRead(() => readlinkSync(path));
