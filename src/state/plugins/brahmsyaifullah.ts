import type { Coverage } from '../../decide/record.js';
import { identity } from '../parse.js';
import type { Format } from './format.js';
import { jobFrom } from './jobs.js';

const COVERS: Coverage = { kind: 'plugins', formats: ['brahmsyaifullah'], ports: [4096] };

const ENDS = ['exit-code', 'cancelled'];

/** `pid`, plain text and nothing else, so that nothing proves whose it is; `oc-…/` for each job, with a file for its end. */
export const brahmsyaifullah: Format = {
  name: 'brahmsyaifullah',
  plugin: 'opencode-server (brahmsyaifullah)',
  serverIn: ({ name, text }) => {
    if (name !== 'pid') return undefined;
    return /^\d+\s*$/.test(text)
      ? { ownership: 'plugin', pid: Number(text), startedAt: undefined }
      : 'it names no process';
  },
  usesIn: (source) => {
    if (source.name !== 'pid' || !source.folder.startsWith('oc-')) return undefined;
    if (ENDS.some((name) => source.touchedAt(name) !== undefined)) return [];
    const job = jobFrom(source, { id: source.folder }, COVERS);
    return [{ ...job, holder: identity(Number(source.text), undefined), seenAt: source.touchedAt() }];
  },
};
