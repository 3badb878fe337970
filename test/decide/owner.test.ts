import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Owner, sparesByOwner, whose } from '../../src/decide/owner.js';
import type { Registration } from '../../src/model/owner.js';
import { but, type Change, ended, every, recorded, registered, running, seen, shown, spawnedWith } from './changes.js';
import {
  CLAUDE,
  evidence,
  FREE,
  HOUR,
  LAUNCHER,
  launched,
  MINUTE,
  marks,
  NOW,
  native,
  PORT,
  pid,
  process,
  registration,
  SELF,
  SERVER,
  SHELL,
  type Situation,
  verdict,
} from './given.js';

const unrecorded = recorded({ ownership: 'unrecorded', plugin: undefined });
const ownerOf = (given: Situation) => evidence(given).owner;
const says = (...changes: readonly Change[]): string => whose(ownerOf(but(native, unrecorded, ...changes)));
const marked = (change: Partial<typeof marks>, more = {}): Change =>
  spawnedWith(SERVER, { marks: { ...marks, ...change }, ...more });
const below = (name: string, more: Partial<ReturnType<typeof process>> = {}): Change =>
  every(running(process(400, { name, ...more })), seen(SERVER, { parent: 400 }));
const service = (unit: string | undefined): Change =>
  shown({ units: new Map(unit === undefined ? [] : [[SERVER, unit]]) });
const openChamber = (change: Partial<Registration> = {}) => registered({ pid: pid(SERVER), ...change });
const neovim = (change: Partial<Registration> = {}) =>
  registered({ by: 'Neovim', variant: undefined, port: PORT, holdersName: /^nvim/, ...change });

test.each<[string, Change, string]>([
  ['nothing is known', shown({}), 'unknown'],
  ['its environment cannot be read', shown({ environments: new Map() }), 'unknown'],
  ['it runs at a terminal', seen(SERVER, { terminal: true, tty: 'pts/3' }), 'you, in pts/3'],
  ['its terminal has a rare name', seen(SERVER, { terminal: true }), 'you, at a terminal'],
  [
    'it runs in tmux',
    every(seen(SERVER, { terminal: true, tty: 'pts/3' }), below('tmux: server')),
    'you, in tmux (pts/3)',
  ],
  [
    'it runs in tmux, at what terminal cannot be said',
    every(seen(SERVER, { terminal: true }), below('tmux: server')),
    'you, in tmux',
  ],
  [
    'it runs in an editor’s terminal',
    every(seen(SERVER, { terminal: true, tty: 'pts/3' }), below('code')),
    'you, in VS Code (pts/3)',
  ],
  ['an editor runs above it', below('cursor'), 'Cursor, pid 400'],
  ['an editor of Windows runs above it', below('Code.exe'), 'VS Code, pid 400'],
  ['a desktop app runs above it', below('opencode-deskto'), 'OpenCode Desktop, pid 400'],
  ['a supervisor runs above it', below('supervisord'), 'supervisord, pid 400'],
  [
    'a session runs above it',
    every(running(process(400, { claude: 'session' })), seen(SERVER, { parent: 400 })),
    'Claude Code, pid 400',
  ],
  [
    'what may be a session runs above it',
    every(running(process(400, { claude: 'spare' })), seen(SERVER, { parent: 400 })),
    'Claude Code, pid 400',
  ],
  [
    'a session that has ended started it, and its terminal cannot be read',
    every(marked({ claude: true }), seen(SERVER, { terminal: undefined })),
    'left by Claude Code',
  ],
  ['anything else runs above it', below('node'), 'below node, pid 400'],
  ['what takes in orphans has taken it in', below('systemd'), 'unknown'],
  [
    'it is a shared daemon',
    seen(SERVER, { command: { kind: 'serve', port: PORT, sharedDaemon: 'service', interpreted: false } }),
    'OpenCode’s own daemon',
  ],
  ['Kimaki marked it', marked({ kimaki: true }), 'Kimaki'],
  [
    'Kimaki’s server ran what started it',
    marked({ kimaki: true }, { opencodePid: String(FREE) }),
    `left by OpenCode, pid ${FREE}`,
  ],
  ['what ran what started it has no pid that there is', marked({}, { opencodePid: 'x' }), 'left by OpenCode'],
  ['an old release’s server ran what started it', marked({ kimaki: true }, { inOpencode: true }), 'left by OpenCode'],
  [
    'ADE marked it, and runs',
    every(marked({ ade: true, adePid: pid(400) }), running(process(400, { ageMs: 2 * HOUR }))),
    'ADE, pid 400',
  ],
  [
    'ADE marked it, and its pid is a later process',
    every(marked({ ade: true, adePid: pid(400) }), running(process(400, { ageMs: MINUTE }))),
    'left by ADE, pid 400',
  ],
  [
    'ADE marked it, and seems to have started at the same moment',
    every(marked({ ade: true, adePid: pid(400) }), running(process(400))),
    'ADE, pid 400',
  ],
  [
    'ADE marked it, and it cannot be told whether its pid is a later process',
    every(marked({ ade: true, adePid: pid(400) }), running(process(400, { ageMs: undefined }))),
    'ADE, pid 400',
  ],
  ['ADE marked it, and has ended', marked({ ade: true, adePid: pid(FREE) }), `left by ADE, pid ${FREE}`],
  ['ADE marked it, and does not say which', marked({ ade: true }), 'ADE'],
  [
    'a session that has ended started it',
    marked({ claude: true, claudePid: pid(FREE) }),
    `left by Claude Code, pid ${FREE}`,
  ],
  [
    'a session that runs started it',
    every(marked({ claude: true, claudePid: pid(CLAUDE) }), seen(CLAUDE, { ageMs: 2 * HOUR })),
    `from Claude Code, pid ${CLAUDE}`,
  ],
  ['a session of an old client started it', marked({ claude: true }), 'left by Claude Code'],
  [
    'a service manager started it',
    every(service('opencode-web.service'), marked({ servicePid: pid(SERVER) })),
    'opencode-web.service',
  ],
  [
    'a service’s script started it',
    every(service('x.service'), below('sh'), marked({ servicePid: pid(400) })),
    'x.service',
  ],
  [
    'a service started it, and cannot be named',
    every(service(undefined), marked({ servicePid: pid(SERVER) })),
    'a service',
  ],
  [
    'it was started in a service by something that has ended',
    every(service('code-server.service'), marked({ servicePid: pid(FREE) })),
    'left by code-server.service',
  ],
  [
    'it was started in a program of the desktop',
    every(service('app-konsole@1.service'), marked({ servicePid: pid(SERVER) })),
    'unknown',
  ],
  [
    'it was started in a session of a login',
    every(service('session-3.scope'), marked({ servicePid: pid(SERVER) })),
    'unknown',
  ],
  ['OpenChamber started it', openChamber(), `OpenChamber (desktop), pid ${CLAUDE}`],
  [
    'OpenChamber started it, and has ended',
    openChamber({ holders: [pid(FREE)] }),
    `left by OpenChamber (desktop), pid ${FREE}`,
  ],
  [
    'OpenChamber’s pid seems to be a later process, as after the clock was set',
    every(openChamber({ seenAt: NOW - 2 * HOUR }), seen(CLAUDE, { ageMs: MINUTE })),
    'perhaps OpenChamber (desktop)',
  ],
  [
    'OpenChamber wrote it down as early as two clocks may differ',
    openChamber({ seenAt: NOW - HOUR - 5_000 }),
    `OpenChamber (desktop), pid ${CLAUDE}`,
  ],
  [
    'OpenChamber seems to have written it down before it ran',
    openChamber({ seenAt: NOW - HOUR - 5_001 }),
    'perhaps OpenChamber (desktop)',
  ],
  [
    'OpenChamber has ended, and how old the server is cannot be told',
    every(openChamber({ holders: [pid(FREE)] }), seen(SERVER, { ageMs: undefined })),
    `left by OpenChamber (desktop), pid ${FREE}`,
  ],
  [
    'OpenChamber’s pid is another user’s process',
    every(openChamber(), seen(CLAUDE, { owner: '0' })),
    `left by OpenChamber (desktop), pid ${CLAUDE}`,
  ],
  [
    'it cannot be told whose process OpenChamber’s pid is',
    every(openChamber(), seen(CLAUDE, { owner: undefined })),
    `OpenChamber (desktop), pid ${CLAUDE}`,
  ],
  [
    'it cannot be told whose run this is',
    every(openChamber(), shown({ owner: undefined })),
    `OpenChamber (desktop), pid ${CLAUDE}`,
  ],
  [
    'it cannot be told how old OpenChamber’s pid is',
    every(openChamber(), seen(CLAUDE, { ageMs: undefined })),
    'perhaps OpenChamber (desktop)',
  ],
  [
    'OpenChamber has ended, and had a server with this pid before',
    openChamber({ seenAt: NOW - 2 * HOUR, holders: [pid(FREE)] }),
    'unknown',
  ],
  [
    'OpenChamber runs, and its entry seems to be older than the server, as after the clock was set',
    every(openChamber({ seenAt: NOW - 2 * HOUR }), shown({ bootMs: HOUR })),
    'perhaps OpenChamber (desktop)',
  ],
  [
    'OpenChamber had one before this boot',
    every(openChamber({ doubt: 'x', seenAt: 0 }), shown({ bootMs: HOUR })),
    'unknown',
  ],
  ['OpenChamber has a server with another pid on this port', openChamber({ pid: pid(FREE), port: PORT }), 'unknown'],
  [
    'anyone could have written what OpenChamber says',
    openChamber({ doubt: 'anyone can write the file' }),
    'perhaps OpenChamber (desktop)',
  ],
  [
    'OpenChamber’s entry is of no time that there is',
    openChamber({ seenAt: Number.POSITIVE_INFINITY }),
    'perhaps OpenChamber (desktop)',
  ],
  ['Neovim’s list cannot be read', neovim({ port: undefined, holders: [], doubt: 'x' }), 'perhaps Neovim'],
  ['Neovim uses it', every(neovim(), seen(CLAUDE, { name: 'nvim' })), `Neovim, pid ${CLAUDE}`],
  ['Neovim’s pid is something else', neovim(), 'perhaps Neovim'],
  [
    'Neovim’s pid is something else, and who knows how old',
    every(neovim(), seen(CLAUDE, { ageMs: undefined })),
    'perhaps Neovim',
  ],
  ['Neovim’s pid is something else, and younger', neovim({ seenAt: NOW - 3 * HOUR }), 'unknown'],
  [
    'Neovim’s pid is one that seems to be younger',
    every(neovim({ seenAt: NOW - 3 * HOUR }), seen(CLAUDE, { name: 'nvim' })),
    'perhaps Neovim',
  ],
  ['Neovim has ended', neovim({ holders: [pid(FREE)] }), `left by Neovim, pid ${FREE}`],
  ['no Neovim uses the port any more', neovim({ holders: [] }), 'left by Neovim'],
  ['Neovim uses another port', neovim({ port: PORT + 1 }), 'unknown'],
  [
    'of two lists, one lives',
    (given) => ({
      ...given,
      written: {
        ...given.written,
        registrations: [
          { ...(openChamber()(given).written.registrations ?? [])[0], holders: [pid(FREE)] } as Registration,
          ...(every(neovim(), seen(CLAUDE, { name: 'nvim' }))(given).written.registrations ?? []),
        ],
      },
    }),
    'perhaps Neovim',
  ],
])('of a server that is not recorded, when %s', (_, change, expected) => {
  expect(says(change)).toBe(expected);
  expect(verdict(but(native, unrecorded, change)).kind).toBe('spared');
});

test.each<[string, Situation, string, string]>([
  ['a plugin’s', native, 'opencode-plugin-cc', 'stale'],
  ['a plugin’s without a name', but(native, recorded({ plugin: undefined })), 'a plugin', 'stale'],
  [
    'one that was handed over',
    but(native, recorded({ ownership: 'adopted' }), openChamber()),
    'you, handed over',
    'stale',
  ],
  ['one that is the user’s', but(native, recorded({ ownership: 'user' })), 'you, by its record', 'spared'],
  [
    'a plugin’s that OpenChamber says is its own',
    but(native, openChamber()),
    `OpenChamber (desktop), pid ${CLAUDE}`,
    'spared',
  ],
  [
    'a plugin’s that OpenChamber left',
    but(native, openChamber({ holders: [pid(FREE)] })),
    'opencode-plugin-cc',
    'stale',
  ],
  [
    'a plugin’s below its session’s Claude, which leases spare',
    but(native, seen(SERVER, { parent: CLAUDE })),
    'opencode-plugin-cc',
    'spared',
  ],
  [
    'a plugin’s that it does not detach, in the terminal of its session',
    but(native, recorded({ isAttached: true }), below('code'), seen(SERVER, { terminal: true })),
    'opencode-plugin-cc',
    'stale',
  ],
  ['a plugin’s below an editor', but(native, below('code')), 'VS Code, pid 400', 'spared'],
  ['a plugin’s whose terminal cannot be read', but(native, seen(SERVER, { terminal: undefined })), 'unknown', 'unsure'],
  [
    'a plugin’s where no terminals are shown',
    but(native, seen(SERVER, { terminal: undefined }), seen(SELF, { terminal: undefined })),
    'opencode-plugin-cc',
    'stale',
  ],
  ['a plugin’s below a script', but(native, below('node')), 'opencode-plugin-cc', 'stale'],
  ['a plugin’s that a session left', but(native, marked({ claude: true })), 'opencode-plugin-cc', 'stale'],
  [
    'a plugin’s in a service’s group, left there',
    but(native, service('code-server.service'), marked({ servicePid: pid(FREE) })),
    'opencode-plugin-cc',
    'stale',
  ],
  [
    'a plugin’s that a service manager started',
    but(native, service('opencode-web.service'), marked({ servicePid: pid(SERVER) })),
    'opencode-web.service',
    'spared',
  ],
  [
    'a plugin’s, and Neovim’s list is unreadable since before this boot',
    but(native, neovim({ port: undefined, holders: [], doubt: 'x', seenAt: 0 }), shown({ bootMs: HOUR })),
    'opencode-plugin-cc',
    'stale',
  ],
  [
    'one that has ended, and that others could have recorded',
    but(native, recorded({ trust: { kind: 'untrusted', because: 'x' } }), ended(SERVER)),
    'unknown',
    'gone',
  ],
  [
    'one that others could have recorded',
    but(native, recorded({ trust: { kind: 'untrusted', because: 'x' } })),
    'unknown',
    'spared',
  ],
])('of a recorded server, %s', (_, given, expected, kind) => {
  expect(whose(ownerOf(given))).toBe(expected);
  expect(verdict(given).kind).toBe(kind);
});

test.each<[string, Change, string]>([
  ['the file cannot be trusted', openChamber({ doubt: 'anyone can write to it' }), 'anyone can write to it'],
  [
    'its process is of unknown age',
    every(openChamber(), seen(CLAUDE, { ageMs: undefined })),
    'its process cannot be compared',
  ],
])('why it cannot be told whether a plugin’s server is another program’s: %s', (_what, change, because) => {
  const [owned] = verdict(but(native, change)).guards;
  const detail = `cannot tell whether it is OpenChamber (desktop)’s: ${registration.file}: ${because}`;
  expect(owned).toEqual({ name: 'owned', outcome: 'unknown', detail });
});

test('what is known of the launcher counts: a program above it, an entry with its pid', () => {
  const given = (...changes: Change[]) => whose(ownerOf(but(launched, unrecorded, ...changes)));
  expect(given(seen(LAUNCHER, { parent: 400 }), running(process(400, { name: 'zed' })))).toBe('Zed, pid 400');
  expect(given(seen(LAUNCHER, { parent: 400 }), running(process(400, { name: 'make' })))).toBe('below make, pid 400');
  const ended = registered({ pid: pid(LAUNCHER), holders: [pid(FREE)], seenAt: NOW - 30 * MINUTE });
  expect(given(ended, seen(SERVER, { ageMs: MINUTE }))).toBe(`left by OpenChamber (desktop), pid ${FREE}`);
  expect(given(registered({ pid: pid(LAUNCHER) }))).toBe(`OpenChamber (desktop), pid ${CLAUDE}`);
});

describe('whatever another program wrote down', () => {
  const pids = fc.constantFrom(SERVER, LAUNCHER, CLAUDE, SHELL, SELF, FREE).map(pid);
  const anything: fc.Arbitrary<Registration> = fc.record({
    file: fc.string(),
    by: fc.constantFrom('OpenChamber', 'Neovim'),
    variant: fc.option(fc.constant('web'), { nil: undefined }),
    pid: fc.option(pids, { nil: undefined }),
    port: fc.option(fc.constantFrom(PORT, 1), { nil: undefined }),
    holders: fc.array(pids, { maxLength: 3 }),
    holdersName: fc.constantFrom(undefined, /^nvim/),
    seenAt: fc.constantFrom(undefined, 0, NOW - HOUR, NOW, NOW + HOUR, Number.POSITIVE_INFINITY, Number.NaN),
    doubt: fc.option(fc.constant('x'), { nil: undefined }),
  });

  test('spares by a live owner, also if the clock was set forward since', () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 4 }), fc.integer({ min: 1, max: 99 }), (registrations, hours) => {
        const kindWith = (all: readonly Registration[]) =>
          verdict({ ...native, written: { ...native.written, registrations: all } }).kind;
        const before = registrations.map((one) => ({ ...one, seenAt: (one.seenAt ?? Number.NaN) - hours * HOUR }));
        expect(kindWith(registrations) === 'spared' && kindWith(before) === 'stale').toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  test('never makes a server stale, and knowing less of it never makes it spare less', () => {
    const worlds = fc.constantFrom<Situation>(
      native,
      launched,
      but(native, unrecorded),
      but(native, recorded({ trust: { kind: 'untrusted', because: 'x' } })),
    );
    fc.assert(
      fc.property(worlds, fc.array(anything, { maxLength: 4 }), (world, registrations) => {
        const with_ = (all: readonly Registration[]) =>
          verdict({ ...world, written: { ...world.written, registrations: all } }).kind;
        expect(with_(registrations) === 'stale' && verdict(world).kind !== 'stale').toBe(false);
        const doubted = registrations.map((one) => ({ ...one, seenAt: undefined, doubt: 'x' }));
        expect(with_(registrations) !== 'stale' && with_(doubted) === 'stale').toBe(false);
      }),
      { numRuns: 400 },
    );
  });
});

test.each<[Owner, 'yes' | 'no' | 'unknown']>([
  [{ kind: 'plugin', name: 'x' }, 'no'],
  [{ kind: 'adopted' }, 'no'],
  // What its record says is asked before.
  [{ kind: 'user' }, 'no'],
  [{ kind: 'program', name: 'x', pid: 9, isSure: true }, 'yes'],
  [{ kind: 'program', name: 'x', isSure: false, doubt: 'y' }, 'unknown'],
  [{ kind: 'daemon' }, 'yes'],
  [{ kind: 'manager', name: 'x', pid: undefined }, 'yes'],
  [{ kind: 'service', unit: 'x.service' }, 'yes'],
  [{ kind: 'app', name: 'x', pid: 9 }, 'yes'],
  [{ kind: 'terminal', terminal: undefined, within: undefined }, 'yes'],
  [{ kind: 'hidden' }, 'unknown'],
  [{ kind: 'parent', name: 'x', pid: 9 }, 'no'],
  [{ kind: 'from', name: 'x', pid: undefined, isThere: true }, 'no'],
  [{ kind: 'unknown' }, 'no'],
])('whether %j spares what a plugin recorded: %s', (owner, spares) => {
  expect(sparesByOwner(owner)).toBe(spares);
});
