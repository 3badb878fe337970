import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { signal } from '../../src/act/signal.js';
import type { Pid } from '../../src/model/identity.js';
import { linuxLook } from '../../src/observe/linux/processes.js';
import {
  deadFenceOf,
  letOthersWrite,
  machine,
  otherGroup,
  recordOf,
  type Written,
  writeByHand,
} from '../support/by-hand.js';
import { type Bystanders, startBystanders } from '../support/bystanders.js';
import { createSession, shell } from '../support/opencode.js';
import { sampled } from '../support/patience.js';
import { alive, startToken } from '../support/proc.js';
import { PROGRAM } from '../support/program.js';
import { attach, type Recorded, reapJson, startAndLeave } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const TAG = 'a tag of the user’s';
const EVERYTHING = ['--all-stale', '--older-than', '0s', '--grace', '0s', '--strays', '--limit', '100'];

/** What a record says of a process whose pid is another's by now. */
const RECYCLED = { startToken: '1', serverStartToken: '1', tag: 'another' };

describe('next to servers of the user', () => {
  let sandbox: Sandbox;
  let recorded: Recorded;
  let users: Bystanders;
  let stateDir: string;
  let states = 0;

  beforeAll(async () => {
    sandbox = await createSandbox('never');
    recorded = await startAndLeave(sandbox, 'launcher');
    users = await startBystanders(sandbox, TAG, recorded);
  }, 120_000);

  afterEach(() => expect(users.unharmed()).toBe(true));
  afterAll(() => sandbox.dispose());

  /** A record of the user's server in which everything fits: nothing but what is spoilt in it can spare the server. */
  const fitting = (changes: Written = {}): Written => {
    const { pid, port } = users.tagged;
    return { ...recordOf({ pid, listener: pid, port, tag: TAG, workspace: sandbox.project }), ...changes };
  };

  const newState = (): string => {
    states += 1;
    stateDir = join(sandbox.root, `state-${states}`);
    return stateDir;
  };

  const verdict = async (...args: string[]) => {
    const { servers } = await reapJson(sandbox, [...EVERYTHING, '--state-dir', stateDir, ...args]);
    return servers.map((server) => [server.verdict, ...server.reasons]);
  };

  test('a record in which everything fits would be enough', async () => {
    writeByHand(newState(), 'servers', fitting());
    expect(await verdict('--dry-run')).toEqual([['stale']]);
  });

  test.each<[string, Written, string[]]>([
    ['whose pid was another process then', RECYCLED, ['gone']],
    ['with a tag that the process does not carry', { tag: 'another' }, ['spared', 'identity']],
    ['that says that the user started it', { startedByPlugin: false }, ['spared', 'owned']],
    ['from another machine', { machine: { ...machine, id: 'another', boot: 'another' } }, ['spared', 'local']],
    ['from another container', { machine: { ...machine, pidNamespace: 'pid:[1]' } }, ['spared', 'local']],
    // Without a machine id, as in many containers, that might as well be another machine.
    ['from before the boot', { machine: { ...machine, boot: 'then' } }, machine.id ? ['gone'] : ['spared', 'local']],
  ])('a record %s is not enough', async (_, changes, expected) => {
    const file = writeByHand(newState(), 'servers', fitting(changes));
    expect(await verdict()).toEqual([expected]);
    expect(existsSync(file)).toBe(expected[0] !== 'gone');
  });

  test.for<[string, (file: string) => void]>([
    ['in a file that anyone can write', (file) => chmodSync(file, 0o666)],
    ['in a folder that anyone can write', (file) => chmodSync(dirname(file), 0o777)],
    ['in a file that another group can write', letOthersWrite],
    ['in a folder that another group can write', (file) => letOthersWrite(dirname(file))],
  ])('a record %s is not enough', async ([title, open], { skip }) => {
    if (title.includes('group') && otherGroup === undefined) skip('this user has no such group');
    open(writeByHand(newState(), 'servers', fitting()));
    expect(await verdict()).toEqual([['spared', 'owned']]);
  });

  const then = { ...machine, boot: 'then' };

  test('the fence of a dead run that names a server of the user’s as what is left of another is not enough', async () => {
    for (const { pid } of [users.alike, users.tagged, users.nested]) {
      const member = { pid, startToken: startToken(pid) };
      const file = writeByHand(newState(), 'closing', deadFenceOf(fitting(RECYCLED), [member]));
      await verdict();
      expect(existsSync(file)).toBe(false);
    }
  });

  test.each<[string, (self: Written) => Written, number]>([
    ['that names a recycled pid', (self) => deadFenceOf(fitting(RECYCLED), [{ ...self, startToken: '1' }]), 0o600],
    ['that names a bare pid', ({ pid }) => deadFenceOf(fitting(RECYCLED), [{ pid }]), 0o600],
    ['that anyone can write', (self) => deadFenceOf(fitting(RECYCLED), [self]), 0o666],
    ['with a record that anyone can write', () => deadFenceOf(fitting(), []), 0o666],
    ['from before the boot', (self) => deadFenceOf(fitting({ ...RECYCLED, machine: then }), [self], then), 0o600],
  ])('the fence of a dead run %s is not enough', async (_, fence, mode) => {
    const self = { pid: users.other, startToken: startToken(users.other) };
    chmodSync(writeByHand(newState(), 'closing', fence(self)), mode);
    await verdict();
    // Once more, since the first run may have put a record back.
    await verdict();
  });

  test('a client is not a run because a file that anyone can write says so', async () => {
    writeByHand(newState(), 'servers', fitting());
    onTestFinished(await attach(`http://127.0.0.1:${users.tagged.port}`));
    const holder = { pid: process.pid, startToken: startToken(process.pid) };
    const run = { schema: 'opencode-reap/1', holder, machine };
    chmodSync(writeByHand(stateDir, 'runs', run), 0o666);
    expect(await verdict()).toEqual([['spared', 'idle']]);
  });

  test('a pid is not enough for a signal, nor is an identity where it is above us', async () => {
    const send = (token: string | undefined, above: readonly number[] = []) =>
      signal({ pid: users.other as Pid, startToken: token }, 'SIGKILL', linuxLook, new Set(above));
    expect(await send(undefined)).toBe('unknown');
    expect(await send('1')).toBe('replaced');
    expect(await send(startToken(users.other), [users.other])).toBe('ours');
  });

  test.each([
    ['everything', EVERYTHING.join(' '), /^spared .* idle: this command runs inside it/m],
    ['that very server, on a person’s word,', 'stop --yes :PORT', /^withheld pid .+: this command runs inside it/m],
  ])('ending %s from inside a server does not end that server', async (_, args, says) => {
    const { url, port, pid, listener } = recorded;
    const session = await createSession(url, sandbox.project);
    const file = join(sandbox.root, 'printed');
    const command = [process.execPath, PROGRAM, args.replace('PORT', `${port}`), '>', file].join(' ');
    expect(await shell(url, session, sandbox.project, command)).toBe('finished');
    expect(readFileSync(file, 'utf8')).toMatch(says);
    expect([pid, listener].every(alive)).toBe(true);
  });

  test('a recorded server is ended, and none of those', async () => {
    const report = await reapJson(sandbox, EVERYTHING);
    // What its tool started is reported, and left alone.
    const named = expect.objectContaining({ pid: users.nested.pid, ended: false });
    const outcome = { kind: 'stopped', leftBehind: expect.arrayContaining([named]) };
    expect(report).toMatchObject({ code: 0, servers: [{ id: recorded.id, outcome }] });
  });

  test('none is ended, whatever the flags', { timeout: 120_000 }, async () => {
    const flags = [['--all-stale'], ['--older-than', '0s'], ['--strays'], ['--port', `${users.alike.port}`]];
    const subsets = Array.from({ length: 2 ** flags.length }, (_, set) =>
      flags.filter((_, at) => set & (1 << at)).flat(),
    );
    // All of them at once come last, and none of them first.
    for (const args of sampled(subsets.reverse(), 4)) {
      const report = await reapJson(sandbox, ['--grace', '0s', '--limit', '100', ...args]);
      expect(report).toMatchObject({ code: 0, servers: [] });
      const unrecorded = report.unrecorded.map(({ pid }) => pid);
      expect(unrecorded).toEqual(expect.arrayContaining([users.tagged.pid, users.alike.pid, users.nested.pid]));
    }
  });
});
