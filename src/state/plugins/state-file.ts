import { lstatSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorCode, isAbsent } from '../../common/errors.js';
import type { StartTokens } from '../../model/identity.js';
import type { Skipped } from '../../model/written.js';
import { parseObject } from '../files/parse.js';
import { isForeign, readSmall } from '../files/read.js';
import type { Read } from './format.js';

/** A list of 50 jobs with their results is far smaller. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Reads each file once, however many formats look at it. */
export function readerOf(skipped: Skipped[], startTokens: StartTokens): (file: string) => Read {
  const known = new Map<string, Read>();
  const read = (file: string): Read => {
    if (!known.has(file)) known.set(file, sourceOf(file, read, skipped, startTokens));
    return known.get(file);
  };
  return read;
}

function sourceOf(file: string, read: (file: string) => Read, skipped: Skipped[], startTokens: StartTokens): Read {
  const there = writtenAt(file);
  if (there === undefined) return undefined;
  if (isForeign(file)) {
    skipped.push({ file, because: 'it belongs to another user' });
    return undefined;
  }
  if (typeof there === 'string') return there;
  const content = readSmall(file, MAX_BYTES);
  if (content.kind === 'absent') return undefined;
  if (content.kind === 'unread') return content.error;
  const json = /\.(json|lock)$/.test(file) ? parseObject(content.text) : undefined;
  if (typeof json === 'string') return json;
  const folder = dirname(file);
  return {
    file,
    name: basename(file),
    folder: basename(folder),
    text: content.text,
    json,
    trust: content.trust,
    startTokens,
    pathOf: (path) => join(folder, path),
    near: (path) => read(join(folder, path)),
    touchedAt: (path) => {
      const at = writtenAt(path === undefined ? file : join(folder, path));
      return typeof at === 'number' ? at : undefined;
    },
  };
}

/**
 * Undefined when it does not exist, an error code when that cannot be told: a folder may be listable but not
 * searchable.
 */
function writtenAt(file: string): number | string | undefined {
  try {
    return lstatSync(file).mtimeMs;
  } catch (error) {
    const code = errorCode(error);
    return isAbsent(code) ? undefined : code;
  }
}
