import { isObject } from '../../common/json.js';
import type { LastUse, LastUses } from '../../model/last-use.js';
import { formatOurs, parseOurs, text, time, wholeNumber } from '../files/parse.js';
import { readSmall } from '../files/read.js';
import { attempt, removeFile, replaceFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/*
 * When each server was last seen in use, which the watch keeps from one look to the next. It alone writes it. What
 * cannot be read, or is of another boot, is nothing: then every server counts as just used.
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

/** Where it cannot be written, what was noted before goes too: then every server counts as just used. */
export function writeLastUses({ lastUses: file }: StateFolder, boot: string | undefined, uses: LastUses): void {
  const text = formatOurs({ boot, servers: Object.fromEntries(uses) });
  const failed = attempt(() => {
    if (uses.size === 0) removeFile(file);
    else replaceFile(file, text, 'until reboot');
  });
  if (failed !== undefined) attempt(() => removeFile(file));
}
