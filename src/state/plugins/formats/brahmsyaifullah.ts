import type { Coverage } from '../../../model/record.js';
import { identity } from '../../files/parse.js';
import type { Format } from '../format.js';
import { jobFrom } from '../jobs.js';

const COVERS: Coverage = { kind: 'plugins', formats: ['brahmsyaifullah'], ports: [4096] };

const ENDS = ['exit-code', 'cancelled'];

/**
 * `pid`, plain text and nothing else, so nothing proves whose it is; `oc-…/` for each job, with a file that marks its
 * end.
 */
export const brahmsyaifullah: Format = {
  name: 'brahmsyaifullah',
  plugin: 'opencode-server (brahmsyaifullah)',
  serverIn: ({ name, text }) => {
    if (name !== 'pid') return undefined;
    return /^\d+\s*$/.test(text)
      ? { ownership: 'plugin', pid: Number(text), startedAt: undefined }
      : 'it does not name a process';
  },
  usesIn: (source) => {
    const { name, folder } = source;
    // Without a pid it is only just beginning.
    const isJob = name === 'pid' || (name === 'started' && source.near('pid') === undefined);
    if (!isJob || !folder.startsWith('oc-')) return undefined;
    if (ENDS.some((name) => source.touchedAt(name) !== undefined)) return [];
    const holder = name === 'pid' ? identity(Number(source.text), undefined) : undefined;
    return [{ ...jobFrom(source, { id: folder }, COVERS), holder, seenAt: source.touchedAt() }];
  },
};
