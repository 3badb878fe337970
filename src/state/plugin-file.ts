import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createFile, errorCode, readSmall, replaceFile } from './files.js';
import type { StateFolder } from './folders.js';

/**
 * The file that holds this text for servers to load, named after what is in it: servers of several versions run at the
 * same time, and one of them may load it again at any moment, so it is never changed or taken away. Undefined where it
 * cannot be written, or where somebody else could change it, since a server runs what is in it.
 */
export function pluginFile(folder: StateFolder, source: string): string | undefined {
  const hash = createHash('sha256').update(source).digest('hex').slice(0, 12);
  const file = join(folder.retire, `opencode-reap-${hash}.mjs`);
  try {
    writeUnlessSame(file, source);
  } catch (error) {
    errorCode(error);
    return undefined;
  }
  const read = readSmall(file);
  return read.kind === 'text' && read.trust.kind === 'trusted' ? file : undefined;
}

function writeUnlessSame(file: string, source: string): void {
  const before = readSmall(file);
  if (before.kind === 'absent') createFile(file, source);
  else if (before.kind === 'unread' || before.text !== source) replaceFile(file, source);
}
