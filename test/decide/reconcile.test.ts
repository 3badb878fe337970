import { expect, test } from 'vitest';
import { candidateOf } from '../../src/decide/candidate.js';
import { reconcile } from '../../src/decide/reconcile.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import { but, seen, shown } from './changes.js';
import { native, SERVER, serve } from './given.js';
import { weak } from './plugin-cases.js';

test('of two records of a server whose command line names no port, the one that proves it speaks for both', () => {
  // Sockets are only looked at once it is known whose to look at.
  const { record, snapshot } = but(
    weak,
    seen(SERVER, { command: { ...serve, port: undefined } }),
    shown({ sockets: new Map() }),
  );
  const vague = { ...record, source: { format: 'a vague plugin', file: '/x' }, startedAt: undefined };
  const settled = reconcile([vague, record], snapshot);
  expect(settled).toMatchObject([{ source: record.source, alsoIn: [{ source: vague.source }] }]);
});

test('a record of ours speaks for a process that may be the recorded one, whatever a plugin says of it', () => {
  const hers = { ...native.record, ownership: 'user' } as const;
  const { snapshot } = but(native, seen(SERVER, { startToken: undefined }));
  const theirs = { ...weak.record, spawned: native.record.spawned, server: undefined };
  expect(reconcile([theirs, hers], snapshot)).toMatchObject([{ id: hers.id, alsoIn: [{ source: theirs.source }] }]);
  expect(unrecordedIn([candidateOf(hers, snapshot)], snapshot)).toEqual([]);
});
