import { describe, expect, test } from 'vitest';
import type { Probe } from '../../src/act/probe.js';
import type { Finding } from '../../src/doctor/finding.js';
import { findingsFrom, machineFindings, type Shown } from '../../src/doctor/machine.js';
import type { Process } from '../../src/model/process.js';
import type { Platform, Shows } from '../../src/observe/platform.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { pid } from '../decide/given.js';

const PROBE: Probe = { pid: pid(4242), tag: 'its tag', port: 4096, end: () => undefined };

const PROCESS: Process = {
  ...{ pid: PROBE.pid, startToken: 'began', parent: 1, group: 4242, session: 4242, terminal: false, owner: '501' },
  ...{ name: 'node', command: { kind: 'other' }, ageMs: 100, memoryBytes: undefined },
};
const environment = {
  ...{
    tag: PROBE.tag,
    opencodePid: undefined,
    inOpencode: false,
    pluginConfig: false,
    keep: false,
    inTerminal: false,
    passwordOfSecond: undefined,
  },
  ...{ username: undefined, password: undefined },
};
const WHOLE: Shown = {
  seen: PROCESS,
  looked: PROCESS,
  sockets: {
    listening: [{ host: '127.0.0.1', port: 4096, pid: 4242 }],
    ...{ inbound: [], outbound: 0, lately: undefined, ourNetwork: true },
  },
  listener: { pid: 4242, owner: '501' },
  details: { environment, cwd: '/' },
  isBootKnown: true,
};

const platform = (shows: Partial<Shows> = {}): Platform => ({
  name: 'made up',
  shows: { environments: true, clients: true, startTokens: 'own', births: false, cwdOfAll: false, ...shows },
  remedy: 'look there',
  host: () => expect.fail('not asked'),
  processes: () => expect.fail('not asked'),
  look: () => expect.fail('not asked'),
  details: () => expect.fail('not asked'),
  sockets: () => expect.fail('not asked'),
  listener: () => expect.fail('not asked'),
});

const said = (findings: readonly Finding[]): string[] => findings.map(({ level, detail }) => `${level}: ${detail}`);
const judged = (but: Partial<Shown>, shows?: Partial<Shows>): string[] =>
  said(findingsFrom(PROBE, { ...WHOLE, ...but }, platform(shows)));

const ALL = 'processes, process sessions, sockets, environments, working directories and the boot can be read';

describe('of a platform, doctor says', () => {
  test('that all is well where a process of ours looks as a server would have to', () => {
    expect(judged({})).toEqual([`ok: ${ALL}`]);
  });

  test('that all is well where there are no groups, and neither environments nor directories are shown', () => {
    const seen = { ...PROCESS, group: undefined, session: undefined };
    const shown = { seen, looked: seen, details: { listens: true } };
    const [ok, hidden] = judged(shown, { environments: false, groups: false });
    expect(ok).toBe('ok: processes, sockets and the boot can be read');
    expect(hidden).toMatch(/^warn: environments are hidden here/);
    expect(judged(shown, { environments: false })[0]).toMatch(/^fail: /);
    expect(
      judged({ ...shown, seen: { ...seen, owner: undefined } }, { environments: false, groups: false })[0],
    ).toMatch(/^fail: /);
  });

  test.each<[string, Partial<Shown>, string, string]>([
    [
      'the list lacks our own process',
      { seen: undefined },
      'processes and process sessions',
      'identity, aged and idle',
    ],
    ['its start is not shown', { seen: { ...PROCESS, startToken: undefined } }, 'processes', 'identity and aged'],
    ['its arguments are not', { seen: { ...PROCESS, command: undefined } }, 'processes', 'identity and aged'],
    ['its age is not', { seen: { ...PROCESS, ageMs: undefined } }, 'processes', 'identity and aged'],
    [
      'a second look finds another start',
      { looked: { ...PROCESS, startToken: 'x' } },
      'processes',
      'identity and aged',
    ],
    ['a second look says that it is gone', { looked: 'gone' }, 'processes', 'identity and aged'],
    ['a second look fails', { looked: 'unknown' }, 'processes', 'identity and aged'],
    ['its session is not its own', { seen: { ...PROCESS, session: 1 } }, 'process sessions', 'idle'],
    ['its sockets are not shown', { sockets: undefined }, 'sockets', 'identity and idle'],
    ['its port is another’s', { listener: { pid: 1, owner: '0' } }, 'sockets', 'identity and idle'],
    ['nobody listens on its port', { listener: undefined }, 'sockets', 'identity and idle'],
    [
      'its environment has another tag',
      { details: { cwd: '/', environment: { ...environment, tag: 'other' } } },
      'environments',
      'identity and unkept',
    ],
    ['it has no directory', { details: { environment } }, 'working directories', 'unleased'],
    [
      'no details are shown',
      { details: undefined },
      'environments and working directories',
      'identity, unkept and unleased',
    ],
    ['boots cannot be told apart', { isBootKnown: false }, 'the boot', 'local'],
  ])('what is missing, and what is therefore unsure: %s', (_what, but, what, guards) => {
    expect(judged(but)).toEqual([`fail: cannot be read: ${what}; without it ${guards} cannot be answered`]);
    const [finding] = findingsFrom(PROBE, { ...WHOLE, ...but }, platform());
    expect(finding?.hint).toBe('a server without every answer is left alone; look there');
  });

  test('what is judged without, where it hides environments from everybody', () => {
    expect(judged({ details: { cwd: '/' } }, { environments: false })).toEqual([
      'ok: processes, process sessions, sockets, working directories and the boot can be read',
      'warn: environments are hidden here: servers are known by their start alone, and OPENCODE_REAP=keep is not seen in them',
    ]);
  });

  test('that nothing is stopped where connections are never shown, and why', () => {
    expect(judged({ sockets: undefined, details: undefined }, { clients: false })).toEqual([
      'warn: on made up, servers are listed but never stopped: what cannot be seen is sockets, environments and working directories',
    ]);
  });
});

/** Without what Windows has not, or takes native code to read. */
const OF_WINDOWS = [
  'ok: processes, sockets and the boot can be read',
  'warn: environments are hidden here: servers are known by their start alone, and OPENCODE_REAP=keep is not seen in them',
];

const isWine = process.env.UNDER_WINE ? ' (skipped: Wine shows no owner of a socket of node)' : '';

test.skipIf(isWine)(`a real process of ours shows all that there is here${isWine}`, async () => {
  const all = process.platform === 'win32' ? OF_WINDOWS : [`ok: ${ALL}`];
  expect(said(await machineFindings(await thisPlatform()))).toEqual(all);
});

test('a real process of ours, seen as on a platform without an adapter, shows little', async () => {
  const [finding, ...others] = await machineFindings(await thisPlatform('freebsd'));
  expect(others).toEqual([]);
  expect(finding?.level).toBe('warn');
  expect(finding?.detail).toMatch(
    /^on freebsd, servers are listed but never stopped: .*process sessions, sockets, environments/,
  );
});
