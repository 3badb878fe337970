import { join } from 'node:path';
import type { Host } from '../../model/identity.js';
import type { Silences, SilentSince } from '../../model/silence.js';
import { formatOurs, parseOurs, text, wholeNumber } from '../files/parse.js';
import { jsonNames, readSmall } from '../files/read.js';
import { attempt, removeFile, replaceFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/*
 * Since when servers do not answer, a file for each, named after its process. Only a run that may stop something writes
 * them. What cannot be read, or is of another boot or another container, is nothing: then the silence begins anew.
 */

export function readSilences({ silent: folder }: StateFolder, here: Host): Silences {
  const listed = jsonNames(folder);
  if (listed.kind === 'unread' || here.boot === undefined) return new Map();
  return new Map(
    listed.names.flatMap((name): [string, SilentSince][] => {
      const since = silenceIn(join(folder, name), here);
      return since ? [[since.key, since]] : [];
    }),
  );
}

/** What others could have written might end a server. */
function silenceIn(file: string, { boot, pidNamespace }: Host): (SilentSince & { readonly key: string }) | undefined {
  const read = readSmall(file);
  const json = read.kind === 'text' && read.trust.kind === 'trusted' ? parseOurs(read.text) : 'unread';
  if (typeof json === 'string' || text(json.boot) !== boot || text(json.pidNamespace) !== pidNamespace)
    return undefined;
  const [sinceMs, lastMs, looks] = [json.sinceMs, json.lastMs, json.looks].map(wholeNumber);
  const key = text(json.key);
  if (key === undefined || sinceMs === undefined || lastMs === undefined || looks === undefined) return undefined;
  return { key, sinceMs, lastMs, looks };
}

/** Where it cannot be written, the silence begins anew with the next look. */
export function noteSilence({ silent }: StateFolder, here: Host, key: string, since: SilentSince): void {
  const { boot, pidNamespace } = here;
  attempt(() => replaceFile(fileOf(silent, key), formatOurs({ boot, pidNamespace, key, ...since }), 'until reboot'));
}

export const forgetSilence = ({ silent }: StateFolder, key: string): void =>
  void attempt(() => removeFile(fileOf(silent, key)));

/** A start token may have any characters where there is no /proc. */
const fileOf = (folder: string, key: string): string => join(folder, `${key.replace(/[^\w-]/g, '_')}.json`);
