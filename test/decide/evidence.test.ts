import { describe, expect, test } from 'vitest';
import { type Evidence, withoutQuestions } from '../../src/decide/evidence.js';
import type { Use } from '../../src/model/record.js';
import { secret } from '../../src/model/secret.js';
import {
  announced,
  but,
  type Change,
  client,
  environmentHidden,
  recorded,
  running,
  seen,
  shown,
  written,
} from './changes.js';
import {
  CLAUDE,
  evidence,
  FREE,
  identity,
  MINUTE,
  native,
  PORT,
  process,
  record,
  SELF,
  SERVER,
  type Situation,
  second,
  serverProcess,
  verdict,
} from './given.js';
import { job, weak } from './plugin-cases.js';

describe('while it waits for what a question has caused, a run does not count', () => {
  const ASKED_MS = 3_000;
  const counted = (given: Situation): Evidence => withoutQuestions(evidence(given), ASKED_MS);
  const pids = (all: readonly { readonly pid: number }[] | undefined) => all?.map(({ pid }) => pid as number);
  const aged = (ageMs: number | undefined, parent: number = SERVER): Change =>
    running(process(5002, { parent, ageMs }));

  test('the connection of another run, which may only be asking as well; but any other client', () => {
    const byRun = but(native, client(CLAUDE), announced(identity(CLAUDE)));
    expect([counted(byRun).clients, evidence(byRun).clients?.length]).toEqual([[], 1]);
    expect(counted(but(native, client(CLAUDE))).clients).toHaveLength(1);
    expect(counted(but(native, client(undefined), announced(identity(CLAUDE)))).clients).toHaveLength(1);
    expect(
      counted(but(native, client(CLAUDE), announced({ ...identity(CLAUDE), startToken: 'x' }))).clients,
    ).toHaveLength(1);
    // The program that this run is part of is connected for a reason of its own.
    expect(counted(but(native, client(SELF), announced(identity(SELF)))).clients).toHaveLength(1);
  });

  test.each<[string, number | undefined, boolean]>([
    ['was started since the question', ASKED_MS, false],
    ['was there before it', ASKED_MS + 1, true],
    ['has an age that cannot be read', undefined, true],
  ])('what runs in a session of its own and %s', (_what, ageMs, counts) => {
    expect(pids(counted(but(native, aged(ageMs))).ownSessions)).toEqual(counts ? [5002] : []);
    const nested = running(serverProcess(5003, { parent: SERVER, ageMs }));
    expect(counted(but(native, nested)).apart.map(({ process }) => process.pid as number)).toEqual(
      counts ? [5003] : [],
    );
  });

  test('a session of what may be an MCP server, if it was started since', () => {
    expect(pids(counted(second).mcpSessions)).toHaveLength(1);
    const [mcp] = evidence(second).mcpSessions;
    expect(counted(but(second, seen(mcp?.pid ?? 0, { ageMs: ASKED_MS }))).mcpSessions).toEqual([]);
  });
});

test.each<[string, (number | undefined)[], number | undefined]>([
  ['the only one that says so', [undefined, MINUTE], MINUTE],
  ['the first of several', [2 * MINUTE, MINUTE], 2 * MINUTE],
  ['the one that says never', [MINUTE, 0], 0],
  ['the one that says never, though the others come first', [undefined, 1, 0], 0],
  ['none', [undefined], undefined],
])('how long a server has to be quiet is told by %s of its records', (_which, said, expected) => {
  const [first, ...others] = said.map((retireAfterMs) => ({ ...record, retireAfterMs }));
  expect(evidence(but(native, recorded({ ...first, alsoIn: others }))).retireAfterMs).toBe(expected);
});

test('what cannot be read of a command line may be a shared daemon, which `adopt` refuses; a server is none', () => {
  expect(evidence(native).sharedDaemon).toBe('no');
  expect(evidence(but(native, seen(SERVER, { command: undefined }))).sharedDaemon).toBe('unknown');
  expect(verdict(but(native, seen(SERVER, { command: undefined }))).kind).not.toBe('stale');
});

test('a password that cannot be read is not another one', () => {
  const given = but(weak, recorded({ password: secret('x') }));
  expect(evidence(given).weak?.password).toBe('different');
  expect(evidence(but(given, environmentHidden(SERVER))).weak?.password).toBe('unknown');
});

describe('of what a plugin’s own lists say', () => {
  const using = (change: Partial<Use>, ...changes: readonly Change[]) =>
    evidence(but(weak, written({ uses: [{ ...job, ...change }] }), ...changes));
  const listed = { kind: 'lease', covers: { kind: 'port', port: PORT } } as const;

  test('a job that is over is not named', () => {
    expect(using({}).jobs).toMatchObject([{ name: 'task-1', live: 'yes' }]);
    expect(using({ holder: identity(FREE) }).jobs).toEqual([]);
  });

  test('a job may be running while processes cannot be listed, and a session without a process may live', () => {
    expect(using({}, shown({ processes: undefined })).jobs).toMatchObject([{ live: 'unknown' }]);
    expect(using({ ...listed, holder: undefined }).coveringLeases.find(({ file }) => file === job.file)).toMatchObject({
      live: 'unknown',
    });
  });
});
