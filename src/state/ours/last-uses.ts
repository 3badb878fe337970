import { isObject } from '../../common/json.js';
import type { LastUse, LastUses } from '../../model/last-use.js';
import { formatOurs, parseOurs, text, time, wholeNumber } from '../files/parse.js';
import { readSmall } from '../files/read.js';
import { attempt, removeFile, replaceFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/*
 * When each server was last seen in use; the watch keeps this from one look to the next, and is its only writer. A file
 * that cannot be read, or is from another boot, counts as empty: then every server counts as just used.
 */

export function readLastUses({ lastUses: file }: StateFolder, boot: string | undefined): LastUses {
  const read = readSmall(file);
  const json = read.kind === 'text' && read.trust.kind === 'trusted' ? parseOurs(read.text) : 'unread';
  if (typeof json === 'string' || boot === undefined || text(json.boot) !== boot || !isObject(json.servers))
    return new Map();
  return new Map(
    Object.entries(json.servers).flatMap(([key, value]): [string, LastUse][] => {
      const use = isObject(value) ? parseUse(value) : undefined;
      return use ? [[key, use]] : [];
    }),
  );
}

function parseUse(json: Readonly<Record<string, unknown>>): LastUse | undefined {
  const [ms, aheadMs] = [wholeNumber(json.ms), json.aheadMs];
  if (ms === undefined || typeof aheadMs !== 'number' || !Number.isFinite(aheadMs)) return undefined;
  return { ms, aheadMs, activeAt: time(json.activeAt), busy: json.busy === true ? true : undefined };
}

/** If it cannot be written, the old file is removed too: then every server counts as just used. */
export function writeLastUses({ lastUses: file }: StateFolder, boot: string | undefined, uses: LastUses): void {
  const text = formatOurs({ boot, servers: Object.fromEntries(uses) });
  const failed = attempt(() => {
    if (uses.size === 0) removeFile(file);
    else replaceFile(file, text, 'until reboot');
  });
  if (failed !== undefined) attempt(() => removeFile(file));
}
