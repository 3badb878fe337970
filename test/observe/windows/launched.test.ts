import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { evidenceOf } from '../../../src/decide/evidence.js';
import { judge } from '../../../src/decide/verdict.js';
import { takeSnapshot } from '../../../src/observe/snapshot.js';
import { parseLook } from '../../../src/observe/windows/processes.js';
import { windowsPlatform } from '../../../src/observe/windows/windows.js';
import { native, pid, policy, record } from '../../decide/given.js';

/*
 * Where a record leads, however the server was launched: by the list of processes as a stand-in PowerShell printed it under
 * Wine, with npm's shim changed into what other ways of installing put there.
 */

const captured = (name: string, encoding: BufferEncoding): string =>
  readFileSync(new URL(`captures/${name}`, import.meta.url), encoding);

const DAY = 86_400_000;
const CLIENT = 444;
const [LAUNCHER, SERVER, FREE] = [600, 1960, 77_777];
const ME = 'C:\\Users\\me';

interface Line {
  readonly pid: number;
  readonly ppid: number;
  readonly name: string;
  readonly cmd: string;
  readonly exe: string;
}

/** The port is that of the captured netstat, 4096. */
const as = (exe: string, quoted = true): Partial<Line> => ({
  name: exe.slice(exe.lastIndexOf('\\') + 1),
  exe,
  cmd: `${quoted ? `"${exe}"` : exe} serve --port 4096`,
});

const BASH: Partial<Line> = {
  name: 'bash.exe',
  exe: 'C:\\Program Files\\Git\\usr\\bin\\bash.exe',
  cmd: '"C:\\Program Files\\Git\\bin\\..\\usr\\bin\\bash.exe" -c "opencode serve --port 4096"',
};

type Launch = readonly [way: string, launcher: Partial<Line> | 'gone', server: Partial<Line>, port: number | undefined];

const [SCOOP, CHOCOLATEY] = [`${ME}\\scoop`, 'C:\\ProgramData\\chocolatey'];

async function locatedBy([, launcher, server, port]: Launch) {
  const list: { processes: Line[] } = JSON.parse(captured('look.wine.txt', 'utf8'));
  const processes = list.processes.flatMap((line) => {
    if (line.pid === LAUNCHER) return launcher === 'gone' ? [] : [{ ...line, ...launcher }];
    return [line.pid === SERVER ? { ...line, ...server } : line];
  });
  const table = parseLook(JSON.stringify({ ...list, processes }), CLIENT, DAY);
  const netstat = { kind: 'finished', code: 0, stdout: captured('netstat-de.wine.bin', 'latin1') } as const;
  const windows = windowsPlatform(
    async () => netstat,
    CLIENT,
    (one) => one === SERVER,
  );
  const platform = {
    ...windows,
    name: 'win32',
    processes: async () => table?.processes,
    owner: async () => table?.owner,
  };
  // The user of this machine, which is not the one of the capture.
  const { getuid } = process;
  Object.assign(process, { getuid: undefined });
  try {
    const known = {
      ...record,
      source: { format: 'a plugin', file: 'x' },
      tag: undefined,
      machine: undefined,
      spawned: { pid: pid(LAUNCHER), startToken: undefined },
      server: undefined,
      starter: undefined,
      port,
      portIsStated: port !== undefined,
      provenBy: 'start time' as const,
      startedAt: Date.now() - 120_000,
    };
    const { snapshot, candidates } = await takeSnapshot([known], [], { platform, claudeSessions: () => undefined });
    const [candidate] = candidates;
    if (candidate === undefined) expect.fail('there is no candidate');
    return { candidate, verdict: judge(evidenceOf(candidate, native.written, snapshot, native.activity), policy) };
  } finally {
    Object.assign(process, { getuid });
  }
}

test.each<Launch>([
  ['npm’s shim, through cmd.exe', {}, {}, undefined],
  [
    'scoop’s shim',
    as(`${SCOOP}\\shims\\opencode.exe`),
    as(`${SCOOP}\\apps\\opencode\\current\\opencode.exe`, false),
    undefined,
  ],
  [
    'Chocolatey’s shim',
    as(`${CHOCOLATEY}\\bin\\opencode.exe`),
    as(`${CHOCOLATEY}\\lib\\opencode\\tools\\opencode.exe`),
    4096,
  ],
])('a server behind %s is found below it, and both end', async (...launch) => {
  const { candidate, verdict } = await locatedBy(launch);
  expect(candidate.located).toMatchObject({ launcher: { pid: LAUNCHER }, server: { pid: SERVER } });
  expect(candidate.tree.members.map((one) => one.pid as number)).toEqual(expect.arrayContaining([LAUNCHER, SERVER]));
  // What waits for nobody is its own, however far below: the consoles of its MCP servers.
  expect(candidate.tree.apart).toEqual([]);
  expect(verdict.guards.find(({ name }) => name === 'identity')).toMatchObject({ outcome: 'pass' });
});

test.each<Launch>([
  ['Git Bash, which starts everything anew', BASH, { ppid: FREE }, 4096],
  ['Git Bash that has ended', 'gone', { ppid: FREE }, 4096],
  ['a shim that has ended', 'gone', as(`${SCOOP}\\apps\\opencode\\current\\opencode.exe`), undefined],
])('a server behind %s is found without it, where the port or its raw parent ties it', async (...launch) => {
  const { candidate, verdict } = await locatedBy(launch);
  expect(candidate.located).toMatchObject({ launcher: undefined, server: { pid: SERVER } });
  expect(candidate.tree.members.map((one) => one.pid as number)).not.toContain(LAUNCHER);
  expect(verdict.guards.find(({ name }) => name === 'identity')).toMatchObject({ outcome: 'pass' });
});

test.each<Launch>([
  ['Git Bash', BASH, { ppid: FREE }, undefined],
  ['a Git Bash that has ended', 'gone', { ppid: FREE }, undefined],
])('a server behind %s whose port was not recorded may be it, and is not called gone', async (...launch) => {
  const { candidate, verdict } = await locatedBy(launch);
  expect(candidate.located.kind).toBe('unknown');
  expect(verdict.kind).toBe('unsure');
});

test('a server behind Git Bash that listens on another port than recorded is another one', async () => {
  const { candidate } = await locatedBy(['', 'gone', { ppid: FREE }, 4097]);
  expect(candidate.located.kind).toBe('gone');
});
