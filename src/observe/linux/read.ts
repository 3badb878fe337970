import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { codeOf, isAbsent, tryRead } from '../../common/errors.js';

/* What the kernel shows in /proc, as files and as links. Undefined when it cannot be read. */

export const textAt = (file: string): string | undefined => tryRead(() => readFileSync(file, 'utf8'));

export const linkAt = (path: string): string | undefined => tryRead(() => readlinkSync(path));

/** The kernel makes such a table a page at a time, and a page is never smaller. */
const PAGE = 4_096;
/** A row is at most half as long. */
const ROOM = 512;

/**
 * A table of sockets. To say that there are no more rows, the kernel goes through all of its own table once more,
 * which is sized by the memory of the machine and not by what is in it: 2.3 ms for 262,144 places, twice for each
 * table. So it is not asked where it has already said so: a read ends early for want of room for the next row, or
 * because there is none (seq_read_iter in fs/seq_file.c).
 */
export const tableAt = (file: string): string | undefined => tryRead(() => whole(file));

/** The same of a table that is not there where IPv6 is switched off, and empty then. */
export const tableIfAny = (file: string): string | undefined =>
  tryRead(() => {
    try {
      return whole(file);
    } catch (error) {
      if (isAbsent(codeOf(error))) return '';
      throw error;
    }
  });

function whole(file: string): string {
  const buffer = Buffer.allocUnsafe(65_536);
  const fd = openSync(file, 'r');
  try {
    return untilShort(() => buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, null)));
  } finally {
    closeSync(fd);
  }
}

/** Of parts in which each character is a byte. */
export function untilShort(read: () => string): string {
  let text = '';
  let part: string;
  do {
    part = read();
    text += part;
  } while (part.length > PAGE - ROOM);
  return text;
}
