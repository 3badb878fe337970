import { expect, test } from 'vitest';
import { candidateOf } from '../../src/decide/candidate.js';
import { reconcile } from '../../src/decide/reconcile.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import { but, ended, environmentHidden, running, seen, shown, spawnedWith, written } from './changes.js';
import { LAUNCHER, launched, native, pid, SERVER, serve, serverProcess, verdict } from './given.js';
import { weak, weakLaunched } from './plugin-cases.js';

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

test('what a plugin says of a launcher spares the server below it, also where nobody can tell whether it is that one', () => {
  const { snapshot } = but(launched, environmentHidden(LAUNCHER, SERVER));
  const theirs = { ...weakLaunched.record, source: { format: 'another', file: '/x' }, ownership: 'user' } as const;
  const vague = { ...theirs, port: undefined, startedAt: undefined };
  const only = (server: number) => ({ ...weak.record, spawned: { pid: pid(server), startToken: `start-${server}` } });
  expect(reconcile([launched.record, vague], snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
  expect(reconcile([only(SERVER), vague], snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
  // The launcher has died, and left two servers in its group, of which it may mean either.
  const left = but({ ...launched, snapshot }, ended(LAUNCHER), running(serverProcess(6000, { group: LAUNCHER })));
  expect(reconcile([only(SERVER), vague], left.snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
});

test('what a plugin says of the spawned process spares its server, even if that is no launcher', () => {
  // It says that another server has started it, so it is not looked for below what a plugin says was spawned.
  const inside = spawnedWith(SERVER, { opencodePid: '9000' });
  const { snapshot } = but(launched, environmentHidden(LAUNCHER), inside, shown({ sockets: new Map() }));
  const theirs = { ...weakLaunched.record, source: { format: 'another', file: '/x' }, ownership: 'user' } as const;
  expect(reconcile([launched.record, theirs], snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
});

test('a record that cannot be read and mentions the spawned process is about its server, even if that is no launcher', () => {
  const mentions = { file: '/x', error: 'x', kind: 'server', mentions: new Set([LAUNCHER]) } as const;
  const given = but(launched, environmentHidden(LAUNCHER), written({ unread: [mentions] }));
  expect(verdict(given)).toMatchObject({ kind: 'unsure', reasons: ['owned'] });
});
