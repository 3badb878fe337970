import type { Notice } from '../../model/notice.js';
import { formatOurs, parseOurs, wholeNumber } from '../files/parse.js';
import { attempt, createFile, takeFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/*
 * One file, which is there only while a person has something to be told. Whoever takes it is the one to tell them: of
 * two sessions that begin at once, one finds it.
 */

/** Undefined when there is none, or none that can be understood; it is gone then, too. */
export function takeNotice({ notice }: StateFolder): Notice | undefined {
  const json = parseOurs(takeFile(notice) ?? '');
  if (typeof json === 'string') return undefined;
  return {
    stopped: wholeNumber(json.stopped) ?? 0,
    bytes: wholeNumber(json.bytes) ?? 0,
    ports: numbers(json.ports),
    left: numbers(json.left),
  };
}

const numbers = (json: unknown): number[] => (Array.isArray(json) ? json.flatMap((one) => wholeNumber(one) ?? []) : []);

/** `ended` are pids that no notice should call left any more. A notice that cannot be written is forgone. */
export function addNotice(folder: StateFolder, news: Notice, ended: readonly number[]): void {
  attempt(() => {
    let all = news;
    // Another run may write one at the same moment, which is then added.
    for (let n = 0; n < 5; n += 1) {
      all = together(takeNotice(folder), all, ended);
      if (createFile(folder.notice, formatOurs(all), 'until reboot')) return;
    }
  });
}

/** Nobody reads more of them, and the file is written for years by those who are never told. */
const MOST = 20;

function together(before: Notice | undefined, news: Notice, ended: readonly number[]): Notice {
  const left = [...new Set([...(before?.left ?? []), ...news.left])].filter((pid) => !ended.includes(pid));
  return {
    stopped: (before?.stopped ?? 0) + news.stopped,
    bytes: (before?.bytes ?? 0) + news.bytes,
    ports: [...new Set([...(before?.ports ?? []), ...news.ports])].slice(-MOST),
    left: left.slice(-MOST),
  };
}
