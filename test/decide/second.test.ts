import { describe, expect, test } from 'vitest';
import { candidateOf, endingWith, stayingAfter } from '../../src/decide/candidate.js';
import { locate } from '../../src/decide/locate.js';
import { nextUse, useKey } from '../../src/decide/quiet.js';
import type { Stream } from '../../src/model/birth.js';
import type { Environment, Process } from '../../src/model/process.js';
import { secret } from '../../src/model/secret.js';
import {
  but,
  type Change,
  ended,
  environmentHidden,
  every,
  listening,
  recorded,
  running,
  says,
  seen,
  shown,
  spawnedWith,
} from './changes.js';
import {
  environment,
  evidence,
  FREE,
  HOUR,
  identity,
  MCP,
  MINUTE,
  NOW,
  process,
  SERVER,
  type Situation,
  second,
  serverProcess,
  spawning,
  verdict,
} from './given.js';

const TOOL = 5002;

/** A child of the server that leads a session of its own, and has inherited the server's environment but for this. */
const child = (inherited: Partial<Environment> = {}, change: Partial<Process> = {}): Change =>
  every(
    running(process(TOOL, { parent: SERVER, ageMs: HOUR - 2 * MINUTE, ...change })),
    spawnedWith(TOOL, { ...environment, ...inherited }),
    listening(false, TOOL),
    withInput('pipe'),
  );

const withInput =
  (input: Stream | undefined): Change =>
  (given) => {
    const others = [...(given.snapshot.inputs ?? [])].filter(([pid]) => pid !== TOOL);
    return shown({ inputs: new Map([...others, ...(input ? [[TOOL, input] as const] : [])]) })(given);
  };

const pids = (all: readonly { readonly pid: number }[]): number[] => all.map(({ pid }) => pid).sort((a, b) => a - b);
const treeOf = ({ record, snapshot }: Situation) => candidateOf(record, snapshot);
const ending = (given: Situation): number[] => pids(endingWith(treeOf(given), given.snapshot));
const staying = (given: Situation): number[] => pids(stayingAfter(treeOf(given)));

describe('below an OpenCode 2, a child with a session of its own', () => {
  test('is no work of its server, and ends with it, when it has no mark: an MCP server', () => {
    const given = but(second, child());
    expect(verdict(given).kind).toBe('stale');
    expect(ending(given)).toEqual([SERVER, MCP, TOOL]);
  });

  test.each<[string, Change]>([
    ['OpenCode 2 marks as a tool’s', child({ inTerminal: true })],
    ['OpenCode 1 marks as its own', child({ opencodePid: `${SERVER}` })],
    ['an early OpenCode 1 marks', child({ inOpencode: true })],
    ['has not inherited the tag', child({ tag: undefined })],
    ['has not inherited the password', every(child(), spawnedWith(SERVER, { password: secret('x') }))],
    [
      'has another one',
      every(child({ passwordOfSecond: secret('y') }), spawnedWith(SERVER, { passwordOfSecond: secret('x') })),
    ],
    ['has only just been started, and has no mark yet', child({}, { ageMs: 999 })],
    ['was there before what started it became the server', child({}, { ageMs: HOUR - 299 })],
    ['has an age that is not known', child({}, { ageMs: undefined })],
    ['has no input: a plugin inside of it has detached it', every(child(), withInput('null, for both'))],
    ['reads a file or a terminal', every(child(), withInput('other'))],
    ['has an input that cannot be seen', every(child(), withInput(undefined))],
    ['hides its environment', every(child(), environmentHidden(TOOL))],
    ['cannot be compared with its server', every(child(), environmentHidden(SERVER))],
    [
      'cannot be told from its server’s other children',
      every(child({ inTerminal: true }), spawnedWith(SERVER, { inTerminal: true })),
    ],
  ])('spares it when it %s', (_what, change) => {
    const given = but(second, change);
    expect(verdict(given).kind).not.toBe('stale');
    expect(evidence(given).ownSessions?.map(({ pid }) => pid)).toContain(TOOL);
  });

  test.each([
    ['a second old, when a tool has its mark', 1_000],
    ['started as soon as a server can start anything', HOUR - 300],
  ])('is an MCP server when it is %s', (_what, ageMs) => {
    const [its, own] = [secret('x'), secret('x')];
    const given = but(
      second,
      child({ password: its }, { ageMs }),
      spawnedWith(SERVER, { password: own }),
      spawnedWith(MCP, { password: own }),
    );
    expect(verdict(given).kind).toBe('stale');
  });

  test('that has no input is left running when the server is stopped by name', () => {
    const given = but(second, child(), withInput('null, for both'));
    expect(ending(given)).toEqual([SERVER, MCP]);
    expect(staying(given)).toEqual([TOOL]);
  });

  test('may be the daemon of terminals, which has no input either', () => {
    const given = but(second, child({}, { name: 'opencode-pty' }), withInput('null, for both'));
    expect(verdict(given).kind).toBe('stale');
    expect(ending(given)).toEqual([SERVER, MCP, TOOL]);
  });

  test('is an MCP server where no platform shows inputs', () => {
    const given = but(second, child(), shown({ inputs: undefined }));
    expect(verdict(given).kind).toBe('stale');
  });

  test('is taken for a tool where the server says that it is an OpenCode 1', () => {
    const given = but(second, says({ kind: 'idle', directories: 1 }));
    expect(verdict(given)).toMatchObject({ kind: 'spared', reasons: ['idle'] });
  });

  test('ends with it when it listens, and what runs in its session does too', () => {
    const helper = process(TOOL, { parent: MCP, session: MCP, group: MCP });
    const given = but(second, running(helper), spawnedWith(TOOL, environment), listening(true, MCP, TOOL));
    expect(verdict(given).kind).toBe('stale');
    expect(ending(given)).toEqual([SERVER, MCP, TOOL]);
  });

  test('spares it by what has a session of its own below that: detached, or a terminal', () => {
    const given = but(
      second,
      running(process(TOOL, { parent: MCP })),
      spawnedWith(TOOL, environment),
      listening(false, TOOL),
    );
    expect(verdict(given)).toMatchObject({ kind: 'spared', reasons: ['idle'] });
    expect(evidence(given).apart.map(({ because }) => because)).toEqual([`was detached by pid ${MCP}`]);
    expect(ending(given)).toEqual([SERVER, MCP]);
    expect(staying(given)).toEqual([TOOL]);
  });

  test('ends with it in the server’s own session too, when it has the mark of a tool', () => {
    const given = but(second, child({ inTerminal: true }, { session: SERVER, group: SERVER }));
    expect(ending(given)).toEqual([SERVER, MCP, TOOL]);
    // Everything below a server that a tool has started has that mark.
    const nested = but(given, spawnedWith(SERVER, { inTerminal: true }), spawnedWith(MCP, { inTerminal: true }));
    expect(staying(nested)).toContain(TOOL);
  });

  test('stays when it is in the server’s own session: it may have been there before', () => {
    const given = but(second, child({}, { session: SERVER, group: SERVER }));
    expect(verdict(given).kind).toBe('stale');
    expect(ending(given)).toEqual([SERVER, MCP]);
    expect(staying(given)).toEqual([TOOL]);
  });
});

describe('a server that runs inside an OpenCode 2', () => {
  /** A tool has started it; it has inherited everything, and been given the mark of a tool. */
  const nested = every(
    running(serverProcess(TOOL, { parent: 1 })),
    spawnedWith(TOOL, { ...environment, inTerminal: true }),
  );

  test('is not taken for the recorded one by the tag that it has inherited', () => {
    const alone = but(
      spawning,
      ended(...[...(spawning.snapshot.processes?.keys() ?? [])].filter((pid) => pid < 0)),
      nested,
    );
    const gone = but(alone, ended(SERVER, ...launchersOf(alone)));
    expect(locate(gone.record, gone.snapshot).kind).toBe('gone');
    const unmarked = but(gone, spawnedWith(TOOL, { inTerminal: false }));
    expect(locate(unmarked.record, unmarked.snapshot)).toMatchObject({
      kind: 'present',
      server: { pid: TOOL },
      proof: 'tag',
    });
  });

  test('is not taken for what its outer server launches', () => {
    const inGroup = but(
      second,
      running(serverProcess(TOOL, { parent: SERVER, group: SERVER, session: SERVER })),
      spawnedWith(TOOL, { ...environment, inTerminal: true }),
      recorded({ server: undefined }),
      shown({ sockets: new Map() }),
    );
    expect(locate(inGroup.record, inGroup.snapshot)).toMatchObject({ kind: 'present', server: { pid: SERVER } });
  });

  test('spares the outer one as long as it is below it, and is not ended with it', () => {
    const given = but(
      second,
      running(serverProcess(TOOL, { parent: SERVER })),
      spawnedWith(TOOL, { ...environment, inTerminal: true }),
    );
    expect(verdict(given)).toMatchObject({ kind: 'spared', reasons: ['idle'] });
    expect(ending(given)).toEqual([SERVER, MCP]);
  });

  test('is found by its own start token, whatever it has inherited', () => {
    const given = but(second, spawnedWith(SERVER, { inTerminal: true }));
    expect(locate(given.record, given.snapshot)).toMatchObject({ kind: 'present', proof: 'start token' });
  });
});

describe('a server that is known by its password alone', () => {
  const byPassword = recorded({
    server: undefined,
    spawned: undefined,
    port: undefined,
    portIsStated: false,
    tag: undefined,
    password: secret('x'),
    provenBy: 'start time',
  });
  const given = (pid: number, change: Partial<Environment> = {}): Change =>
    every(
      running(serverProcess(pid, { parent: 1 })),
      spawnedWith(pid, { ...environment, username: 'opencode', password: secret('x'), ...change }),
    );
  const found = (...changes: readonly Change[]) => {
    const { record, snapshot } = but(second, byPassword, ...changes);
    return locate(record, snapshot);
  };

  test('is the one that was given it as its plugin does', () => {
    expect(found(given(SERVER))).toMatchObject({ kind: 'present', server: { pid: SERVER } });
  });

  test.each<[string, Change]>([
    ['by the other variable', given(SERVER, { password: undefined, passwordOfSecond: secret('x') })],
    ['without the name', given(SERVER, { username: undefined })],
    ['at a terminal', every(given(SERVER), seen(SERVER, { terminal: true }))],
    ['in a session of another', every(given(SERVER), seen(SERVER, { session: FREE }))],
  ])('may be a person’s who uses the plugin’s password: given it %s', (_how, change) => {
    expect(found(change)).toMatchObject({ kind: 'unknown', because: expect.stringContaining('not started as its') });
  });

  test('is gone where none was given it, but not where one hides what it was given', () => {
    const none = { kind: 'gone', because: 'no `opencode serve` was given its password' };
    expect(found()).toEqual(none);
    expect(found(given(SERVER, { password: secret('y') }))).toEqual(none);
    expect(found(environmentHidden(SERVER))).toMatchObject({ kind: 'unknown' });
  });

  test('is none that a tool of it runs, nor one of several', () => {
    expect(found(given(SERVER), given(TOOL, { inTerminal: true }))).toMatchObject({ server: { pid: SERVER } });
    expect(found(given(SERVER), given(TOOL, { opencodePid: '1' }))).toMatchObject({ server: { pid: SERVER } });
    expect(found(given(TOOL, { inTerminal: true }))).toMatchObject({ kind: 'gone' });
    expect(found(given(SERVER), given(TOOL))).toMatchObject({ kind: 'unknown' });
  });
});

test('what may be an MCP server is no use of a server that was not asked', () => {
  const known = { ms: 0, aheadMs: NOW - HOUR, activeAt: undefined };
  const uses = new Map([[useKey(identity(SERVER)), known]]);
  const given = but(second, says({ kind: 'not asked' }));
  expect(nextUse(evidence(given), uses, { at: NOW, bootMs: HOUR })?.[1]).toEqual(known);
});

const launchersOf = ({ snapshot }: Situation): number[] =>
  [...(snapshot.processes?.values() ?? [])].flatMap(({ pid, command }) =>
    command?.kind === 'serve' && pid !== TOOL ? [pid] : [],
  );

test('the password in a plugin’s record is proved by either variable of its server', () => {
  const plugin = recorded({
    server: undefined,
    spawned: undefined,
    password: secret('x'),
    provenBy: 'start time',
    tag: undefined,
  });
  const carrying = (change: Partial<Environment>) =>
    but(
      second,
      plugin,
      (given) => ({ ...given, snapshot: { ...given.snapshot, listeners: new Map([[4096, SERVER]]) } }),
      spawnedWith(SERVER, change),
    );
  expect(evidence(carrying({ password: secret('x') })).weak?.password).toBe('same');
  expect(evidence(carrying({ password: secret('y'), passwordOfSecond: secret('x') })).weak?.password).toBe('same');
  expect(evidence(carrying({ passwordOfSecond: secret('y') })).weak?.password).toBe('different');
});
