import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Process, Sockets } from '../../src/model/process.js';
import type { ServerRecord, Witness } from '../../src/model/record.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import type { Details, Listener, Platform, ServerTree, Shows, Wanted } from '../../src/observe/platform.js';
import {
  lookAtProcesses,
  lookAtRecord,
  lookAtServer,
  lookAtSockets,
  namedFolders,
  socketsNow,
  takeSnapshot,
  withEnvironments,
  withRecords,
} from '../../src/observe/snapshot.js';
import { record as given } from '../decide/given.js';
import { environmentOf, HOST, identityOf, SERVE, processOf as scriptedOf } from '../support/scripted.js';

/*
 * What is looked at, and for which processes, on a machine that stands in for a real one. What follows from it is in
 * test/decide.
 */

const [LAUNCHER, SERVER, TOOL, BELOW, BESIDE, CLIENT, OTHER, LISTENER] = [
  5_000_101, 5_000_102, 5_000_103, 5_000_104, 5_000_105, 5_000_106, 5_000_107, 5_000_108,
] as const;
const US = process.getuid?.().toString();
const THEM = 'another user';
const PORT = 4_711;

/** Leads its own group and session, unless told otherwise. */
const processOf = (pid: number, but: Partial<Process> = {}): Process =>
  scriptedOf(pid, { group: pid, session: pid, ...but });
const serving = (pid: number, but: Partial<Process> = {}): Process => processOf(pid, { command: SERVE, ...but });
const client = (pid: number, but: Partial<Process> = {}): Process => processOf(pid, { claude: 'session', ...but });

const record = (but: Partial<ServerRecord> = {}): ServerRecord => ({
  ...given,
  spawned: identityOf(SERVER) as never,
  server: identityOf(SERVER) as never,
  starter: undefined,
  port: PORT,
  ...but,
});
/** As a plugin writes it down that knows only where its server listens. */
const bare = (but: Partial<ServerRecord> = {}): ServerRecord =>
  record({ spawned: undefined, server: undefined, provenBy: 'start time', ...but });

interface Machine {
  readonly processes?: readonly Process[] | undefined;
  readonly details?: Readonly<Record<number, Details>>;
  readonly shows?: Partial<Shows>;
  readonly listeners?: Readonly<Record<number, Listener | 'nobody'>>;
  readonly sockets?: Readonly<Record<number, Sockets>>;
  readonly owner?: string | undefined;
  /** What has begun since the list. */
  readonly since?: readonly number[];
}

interface Asked {
  readonly details: Wanted[];
  readonly ports: number[];
  readonly trees: ServerTree[];
}

function madeUp(machine: Machine): Platform & { readonly asked: Asked } {
  const { processes = [], details = {}, listeners = {}, sockets = {}, since = [] } = machine;
  const asked: Asked = { details: [], ports: [], trees: [] };
  const listed = 'processes' in machine && machine.processes === undefined;
  const table = new Map<number, Process>(processes.map((one) => [one.pid, one]));
  return {
    asked,
    name: 'made up',
    shows: {
      environments: true,
      clients: true,
      startTokens: 'own',
      births: false,
      cwdOfAll: false,
      ...machine.shows,
    },
    host: async () => HOST,
    processes: async () => (listed ? undefined : table),
    look: async (pid) => table.get(pid) ?? (since.includes(pid) ? processOf(pid) : 'gone'),
    details: async (wanted) => {
      asked.details.push(wanted);
      const all = Object.values(wanted).flat();
      return new Map(all.flatMap((pid) => (details[pid] ? [[pid, details[pid]] as const] : [])));
    },
    sockets: async (trees) => {
      asked.trees.push(...trees);
      return trees.map(({ server }) => sockets[server]);
    },
    listener: async (port) => {
      asked.ports.push(port);
      return listeners[port];
    },
    ...('owner' in machine ? { owner: async () => machine.owner } : {}),
  };
}

type ReadList = (configDir: string) => readonly Witness[] | undefined;

const looked = (
  platform: Platform,
  records: readonly ServerRecord[] = [],
  claudeSessions: ReadList = () => undefined,
) => lookAtProcesses(records, { platform, claudeSessions });

const sorted = (pids: readonly number[] | undefined): readonly number[] => [...(pids ?? [])].sort();

/** Where there are no users by number, as on Windows. */
const withoutUid = (): void => {
  const { getuid } = process;
  onTestFinished(() => void Object.assign(process, { getuid }));
  Object.assign(process, { getuid: undefined });
};

describe('a look at the processes', () => {
  test('says when and where it was, and who we are', async () => {
    const self = processOf(process.pid, { parent: OTHER });
    const before = Date.now();
    const seen = await looked(madeUp({ processes: [self, processOf(OTHER)] }));
    expect(seen.at).toBeGreaterThanOrEqual(before);
    expect(seen).toMatchObject({ machine: HOST, owner: US, self: process.pid, showsEnvironments: true });
    expect([...seen.lineage]).toEqual([process.pid, OTHER, 1]);
    expect([...(seen.processes?.keys() ?? [])]).toEqual([process.pid, OTHER]);
    expect([seen.showsGroups, seen.inputs, seen.named]).toEqual([true, undefined, []]);
    expect([seen.sockets.size, seen.places.size, seen.questions.size]).toEqual([0, 0, 0]);
  });

  test('is none where the processes cannot be listed, and then nothing is known of any', async () => {
    const platform = madeUp({ processes: undefined, details: { [SERVER]: { environment: environmentOf() } } });
    const seen = await looked(platform, [record()]);
    expect([seen.processes, [...seen.environments.keys()], seen.claudes]).toEqual([undefined, [SERVER], []]);
  });

  test('takes what the platform says of the user where there is no number', async () => {
    expect((await looked(madeUp({ owner: 'S-1-5' }))).owner).toBe(US);
    withoutUid();
    expect((await looked(madeUp({ owner: 'S-1-5' }))).owner).toBe('S-1-5');
    expect((await looked(madeUp({}))).owner).toBeUndefined();
  });

  test('says whether there are groups, and environments', async () => {
    const seen = await looked(madeUp({ shows: { groups: false, environments: false } }));
    expect([seen.showsGroups, seen.showsEnvironments]).toEqual([false, false]);
  });
});

describe('an environment is read', () => {
  const all: readonly Process[] = [
    serving(SERVER),
    processOf(TOOL, { parent: SERVER }),
    processOf(BELOW, { parent: TOOL }),
    processOf(BESIDE, { group: SERVER }),
    client(CLIENT),
    processOf(OTHER),
    processOf(LISTENER),
  ];
  const askedFor = async (machine: Machine, records: readonly ServerRecord[] = []) => {
    const platform = madeUp({ processes: all, ...machine });
    await looked(platform, records);
    expect(platform.asked.details).toHaveLength(1);
    return sorted(platform.asked.details[0]?.environment);
  };

  test('of a server, all below it, what shares its group, and of clients: of nobody else', async () => {
    expect(await askedFor({})).toEqual([SERVER, TOOL, BELOW, BESIDE, CLIENT]);
  });

  test('of what is recorded, whatever it is', async () => {
    const two = record({ spawned: identityOf(OTHER) as never, server: identityOf(LISTENER) as never });
    expect(await askedFor({}, [two])).toEqual([SERVER, TOOL, BELOW, BESIDE, CLIENT, OTHER, LISTENER]);
    expect(await askedFor({ processes: [] }, [record({ spawned: undefined })])).toEqual([SERVER]);
    expect(await askedFor({ processes: [] }, [record({ server: undefined })])).toEqual([SERVER]);
  });

  test('of what listens on a port that a record leads to', async () => {
    const listeners = { [PORT]: { pid: LISTENER, owner: US } };
    expect(await askedFor({ listeners }, [bare()])).toContain(LISTENER);
    expect(await askedFor({ processes: [], listeners: { [PORT]: 'nobody' } }, [bare()])).toEqual([]);
  });

  test('of no group where none is seen', async () => {
    const groupless = [serving(SERVER, { group: undefined }), processOf(OTHER, { group: undefined })];
    expect(await askedFor({ processes: groupless })).toEqual([SERVER]);
  });

  test('and is kept where it could be, by its process', async () => {
    const its = environmentOf({ tag: 'its own' });
    const seen = await looked(madeUp({ processes: all, details: { [SERVER]: { environment: its }, [TOOL]: {} } }));
    expect([...seen.environments]).toEqual([[SERVER, its]]);
  });
});

describe('whether it listens is asked', () => {
  const askedFor = async (processes: readonly Process[], shows: Partial<Shows> = {}) => {
    const platform = madeUp({ processes, shows });
    await looked(platform);
    return sorted(platform.asked.details[0]?.listens);
  };
  const interpreted = { command: { ...SERVE, interpreted: true } };

  test('of what may have launched a server: it has the same command line as one below it', async () => {
    expect(
      await askedFor([
        serving(LAUNCHER),
        processOf(OTHER, { parent: LAUNCHER }),
        serving(SERVER, { parent: OTHER }),
        processOf(TOOL, { parent: SERVER }),
      ]),
    ).toEqual([LAUNCHER]);
  });

  test('of a shell or a script only where its server may be anywhere', async () => {
    const scripts = [serving(LAUNCHER, interpreted), serving(SERVER), processOf(OTHER)];
    expect(await askedFor(scripts)).toEqual([]);
    expect(await askedFor(scripts, { groups: false })).toEqual([LAUNCHER]);
  });

  test('and is kept, with the unit of each server of ours', async () => {
    const platform = madeUp({
      processes: [serving(LAUNCHER), serving(SERVER, { parent: LAUNCHER }), serving(OTHER, { owner: THEM })],
      details: { [LAUNCHER]: { listens: false, unit: 'a.service' }, [SERVER]: { listens: true, unit: '' } },
    });
    const seen = await looked(platform);
    expect([...seen.listens]).toEqual([[LAUNCHER, false]]);
    expect(sorted(platform.asked.details[0]?.unit)).toEqual([LAUNCHER, SERVER]);
    expect([...(seen.units ?? [])]).toEqual([
      [LAUNCHER, 'a.service'],
      [SERVER, ''],
    ]);
  });

  test('no unit of what only may be one', async () => {
    const platform = madeUp({ processes: [processOf(OTHER), serving(SERVER, { owner: undefined })] });
    await looked(platform);
    expect(platform.asked.details[0]?.unit).toEqual([]);
  });
});

test('where the input of a server’s child leads is looked at if it leads a session, and if that can be seen', async () => {
  const processes = [
    serving(SERVER),
    processOf(TOOL, { parent: SERVER }),
    processOf(BESIDE, { parent: SERVER, session: SERVER }),
    processOf(BELOW, { parent: TOOL }),
    processOf(OTHER, { parent: 1 }),
  ];
  const details = { [TOOL]: { input: 'pipe' } } as const;
  const shown = madeUp({ processes, details, shows: { births: true } });
  expect([...((await looked(shown)).inputs ?? [])]).toEqual([[TOOL, 'pipe']]);
  expect(shown.asked.details[0]?.input).toEqual([TOOL]);
  const hidden = madeUp({ processes, details });
  expect((await looked(hidden)).inputs).toBeUndefined();
  expect(hidden.asked.details[0]?.input).toEqual([]);
});

describe('who listens on the port of a record', () => {
  const GROUPLESS = { groups: false } as const;

  test.each<[string, ServerRecord, Partial<Shows>, readonly number[]]>([
    ['is asked where only the port is recorded', bare(), {}, [PORT]],
    ['is not asked where a process is', bare({ spawned: identityOf(SERVER) as never }), {}, []],
    ['is not asked where its start proves it', bare({ provenBy: 'start token' }), {}, []],
    ['is asked of any where there are no groups', record(), GROUPLESS, [PORT]],
    ['is not asked without a port', bare({ port: undefined }), GROUPLESS, []],
  ])('%s', async (_what, one, shows, ports) => {
    const platform = madeUp({ shows });
    await looked(platform, [one, { ...one, id: 'the same' }]);
    expect(platform.asked.ports).toEqual(ports);
  });

  const FOUND: readonly [string, Machine, unknown][] = [
    ['is a process that was listed', { listeners: { [PORT]: { pid: OTHER, owner: US } } }, OTHER],
    ['is nobody', { listeners: { [PORT]: 'nobody' } }, 'nobody'],
    ['is not known where it could not be read', {}, undefined],
    ['is nobody where it has ended since', { listeners: { [PORT]: { pid: LISTENER, owner: US } } }, 'nobody'],
    [
      'is not known where it has begun since',
      { listeners: { [PORT]: { pid: LISTENER, owner: US } }, since: [LISTENER] },
      undefined,
    ],
    ['is nobody of ours', { listeners: { [PORT]: { pid: undefined, owner: THEM } } }, 'nobody'],
    ['may be ours, and is not seen', { listeners: { [PORT]: { pid: undefined, owner: US } } }, undefined],
    ['may be anybody’s', { listeners: { [PORT]: { pid: undefined, owner: undefined } } }, undefined],
  ];
  test.each(FOUND)('%s', async (_what, machine, expected) => {
    const seen = await looked(madeUp({ processes: [processOf(OTHER)], ...machine }), [bare()]);
    expect(seen.listeners.get(PORT)).toBe(expected);
    expect(seen.listeners.size).toBe(expected === undefined ? 0 : 1);
  });

  test('is not known to be another’s where we are not known', async () => {
    withoutUid();
    const seen = await looked(madeUp({ listeners: { [PORT]: { pid: undefined, owner: THEM } } }), [bare()]);
    expect(seen.listeners.size).toBe(0);
  });
});

describe('a session of Claude Code', () => {
  const WORKS = '/opencode-reap-works-here';
  const inList: Witness = { holder: identityOf(OTHER) as never, session: 'listed', path: '/listed' };
  const by = (path: string | undefined) => [{ holder: identityOf(CLIENT), session: undefined, path }];
  const configured = (configDir: string): Details => ({ environment: environmentOf({ claudeConfigDir: configDir }) });
  const shown: Details = { cwd: WORKS, hidesCwd: false, isElsewhere: false };

  test.each<[string, Partial<Process>, Details | undefined, readonly object[]]>([
    ['is where it works', {}, shown, by(WORKS)],
    ['may be anyone’s whose user is not seen', { owner: undefined }, shown, by(WORKS)],
    ['is none of another user', { owner: THEM }, shown, []],
    ['may be anywhere where that is hidden', {}, { ...shown, hidesCwd: true }, by(undefined)],
    ['may be anywhere where that is not known to be shown', {}, { cwd: WORKS }, by(undefined)],
    ['may be anywhere where nothing is known of it', {}, undefined, by(undefined)],
    ['is nowhere when it ends', {}, { hidesCwd: false }, []],
    ['is not what only helps one', { claude: 'helper' }, shown, []],
    ['may be one that was started ahead of time', { claude: 'spare' }, shown, by(WORKS)],
  ])('%s', async (_what, but, details, expected) => {
    const platform = madeUp({ processes: [client(CLIENT, but)], details: details ? { [CLIENT]: details } : {} });
    expect((await looked(platform)).claudes).toEqual(expected);
  });

  test('is asked where it works, and nobody else', async () => {
    const platform = madeUp({ processes: [client(CLIENT), serving(SERVER), client(OTHER, { owner: THEM })] });
    await looked(platform);
    expect(platform.asked.details[0]?.cwd).toEqual([CLIENT]);
  });

  test.each<[string, Details, readonly Witness[] | undefined, readonly object[]]>([
    ['is in the list of its own', shown, [inList], [inList]],
    ['is itself, where it has pids of its own', { ...shown, isElsewhere: true }, [inList], [...by(WORKS), inList]],
    ['is itself, where that is not known', { cwd: WORKS, hidesCwd: false }, [inList], [...by(WORKS), inList]],
    ['is itself, where its list cannot be read', shown, undefined, by(WORKS)],
    ['is none that an empty list names', shown, [], []],
  ])('that was started ahead of time %s', async (_what, details, list, expected) => {
    const platform = madeUp({
      processes: [client(CLIENT, { claude: 'spare' })],
      details: { [CLIENT]: { ...details, ...configured('/config') } },
    });
    expect((await looked(platform, [], () => list)).claudes).toEqual(expected);
  });

  test('is listed by whichever client names the list, once for each list', async () => {
    const read: string[] = [];
    const lists = (folder: string) => {
      read.push(folder);
      return [{ ...inList, session: folder }];
    };
    const of = (configDir: string, cwd?: string): Details => ({ ...configured(configDir), hidesCwd: false, cwd });
    const platform = madeUp({
      processes: [SERVER, TOOL, BELOW, BESIDE, CLIENT].map((pid) => client(pid, { claude: 'helper' })),
      details: {
        [SERVER]: of('/config'),
        [TOOL]: of('/config'),
        [BELOW]: of('config', '/there'),
        [BESIDE]: of('at-root'),
        [CLIENT]: {},
      },
    });
    const { claudes } = await looked(platform, [], lists);
    const folders = ['/config', join('/there', 'config'), join('/', 'at-root')];
    expect([read, claudes.map(({ session }) => session)]).toEqual([folders, folders]);
  });
});

describe('what was read later', () => {
  const its = environmentOf({ tag: 'later' });
  const first = async (platform: Platform) => ({
    ...(await looked(platform)),
    environments: new Map([[SERVER, environmentOf()]]),
  });

  test('has its environments looked at where that was not done yet', async () => {
    const platform = madeUp({
      processes: [processOf(OTHER)],
      details: { [SERVER]: { environment: its }, [OTHER]: { environment: its }, [LISTENER]: { environment: its } },
    });
    const before = await first(platform);
    platform.asked.details.length = 0;
    const records = [
      record(),
      record({ spawned: identityOf(OTHER) as never }),
      record({ spawned: undefined, server: identityOf(LISTENER) as never }),
    ];
    const seen = await withEnvironments(records, before, platform);
    expect(platform.asked.details).toEqual([{ environment: [OTHER, LISTENER] }]);
    expect([...seen.environments].map(([pid, { tag }]) => [pid, tag])).toEqual([
      [SERVER, 'a tag'],
      [OTHER, 'later'],
      [LISTENER, 'later'],
    ]);
  });

  test('leads to who listens, whose environment is looked at too', async () => {
    const listeners = { [PORT]: { pid: OTHER, owner: US }, [PORT + 1]: { pid: SERVER, owner: US } };
    const platform = madeUp({
      processes: [processOf(OTHER), processOf(SERVER)],
      listeners,
      details: { [OTHER]: { environment: its }, [SERVER]: { environment: its } },
    });
    const before = { ...(await first(platform)), listeners: new Map([[1, 'nobody' as const]]) };
    platform.asked.details.length = 0;
    const seen = await withRecords([bare(), bare({ port: PORT + 1 })], before, platform);
    expect([...seen.listeners]).toEqual([
      [1, 'nobody'],
      [PORT, OTHER],
      [PORT + 1, SERVER],
    ]);
    expect(platform.asked.details[0]).toEqual({ environment: [OTHER] });
    expect([...seen.environments].map(([pid, { tag }]) => [pid, tag])).toEqual([
      [SERVER, 'a tag'],
      [OTHER, 'later'],
    ]);
  });

  test('leads nowhere where the processes could not be listed', async () => {
    const platform = madeUp({ processes: undefined, listeners: { [PORT]: { pid: OTHER, owner: US } } });
    const seen = await withRecords([bare()], await looked(platform), platform);
    expect([...seen.listeners]).toEqual([[PORT, 'nobody']]);
  });
});

describe('folders that are named', () => {
  const folders = { HOME: '/theirs' };
  const named: Details = { environment: environmentOf({ folders }), isElsewhere: false, cwd: '/work' };
  const namedIn = async (machine: Machine, but: Partial<Snapshot> = {}) => {
    const platform = madeUp(machine);
    const seen = await looked(platform);
    platform.asked.details.length = 0;
    const found = await namedFolders({ ...seen, ...but }, platform);
    return { found, asked: platform.asked.details };
  };
  const processes = [serving(SERVER), client(CLIENT), processOf(OTHER)];
  const details = { [SERVER]: named, [CLIENT]: named, [OTHER]: named };

  test('are those of sessions, then those of servers, and of nothing else', async () => {
    const { found, asked } = await namedIn({ processes, details });
    expect(found).toEqual([
      { pid: CLIENT, folders, cwd: '/work', of: 'session' },
      { pid: SERVER, folders, cwd: '/work', of: 'server' },
    ]);
    expect(asked).toEqual([{ environment: [CLIENT], cwd: [], elsewhere: [CLIENT, SERVER] }]);
  });

  test('come with where each works, if that costs nothing', async () => {
    const { asked } = await namedIn({ processes, details, shows: { cwdOfAll: true } });
    expect(asked[0]?.cwd).toEqual([CLIENT, SERVER]);
  });

  test('cost nothing where there is neither', async () => {
    expect(await namedIn({ processes: [processOf(OTHER)], details })).toEqual({ found: [], asked: [] });
    expect(await namedIn({ processes: undefined, details })).toEqual({ found: [], asked: [] });
  });

  test.each([1, 2])('are looked for with one of them alone (%i)', async (which) => {
    const some = processes.filter(({ pid }) => pid === (which === 1 ? SERVER : CLIENT));
    expect((await namedIn({ processes: some, details })).found).toHaveLength(1);
  });

  test.each<[string, Details]>([
    ['something that names none', { isElsewhere: false, environment: environmentOf() }],
    ['something whose environment is hidden', { isElsewhere: false }],
    ['something in a container', { ...named, isElsewhere: true }],
    ['something that may be in one', { environment: named.environment }],
  ])('are none of %s', async (_what, of) => {
    const { found } = await namedIn({ processes, details: { [SERVER]: of, [CLIENT]: of } });
    expect(found).toEqual([]);
  });

  test('are as the look before has shown them', async () => {
    const before = { HOME: '/before' };
    const environments = new Map([[CLIENT, environmentOf({ folders: before })]]);
    const { found } = await namedIn({ processes: [client(CLIENT)], details }, { environments });
    expect(found.map((one) => one.folders)).toEqual([before]);
  });

  test('are none of another user, nor of anybody where we are not known', async () => {
    const theirs = [serving(SERVER, { owner: THEM }), client(CLIENT, { owner: undefined })];
    expect((await namedIn({ processes: theirs, details })).found).toEqual([]);
    expect((await namedIn({ processes: theirs, details }, { owner: undefined })).found).toEqual([]);
  });
});

describe('the second half of a look', () => {
  const sockets: Sockets = {
    listening: [{ host: '127.0.0.1', port: PORT, pid: SERVER }],
    inbound: [],
    outbound: 0,
    lately: [],
    ourNetwork: true,
  };
  const IN_GROUP = { parent: SERVER, group: SERVER, session: SERVER };
  const processes = [
    serving(SERVER),
    processOf(BESIDE, IN_GROUP),
    processOf(TOOL, { ...IN_GROUP, session: TOOL }),
    processOf(BELOW, { ...IN_GROUP, group: BELOW }),
    processOf(OTHER),
  ];
  const machine: Machine = {
    processes,
    sockets: { [SERVER]: sockets },
    details: { [TOOL]: { listens: false }, [BELOW]: { listens: true } },
  };
  const gone = record({
    id: 'gone',
    spawned: identityOf(LISTENER) as never,
    server: identityOf(LISTENER) as never,
    alsoIn: [record({ workspace: '/also' })],
    workspace: undefined,
  });

  test('is of the sockets of each server that was found, by its record, and of what they are', async () => {
    const platform = madeUp(machine);
    const { snapshot, candidates } = await lookAtSockets([gone, record()], [], await looked(platform), platform);
    expect([...snapshot.sockets]).toEqual([[given.id, sockets]]);
    expect(platform.asked.trees.map(({ server, pids }) => [server, sorted(pids)])).toEqual([
      [SERVER, [SERVER, TOOL, BESIDE].sort()],
    ]);
    expect(candidates.map(({ record: { id }, located }) => [id, located.kind])).toEqual([
      ['gone', 'gone'],
      [given.id, 'present'],
    ]);
  });

  test('is of what listens below a server, outside of its session or its group', async () => {
    const platform = madeUp({
      ...machine,
      processes: [...processes, serving(LAUNCHER), serving(LISTENER, { parent: LAUNCHER })],
      details: { ...machine.details, [LAUNCHER]: { listens: false } },
    });
    const before = await looked(platform, [record()]);
    platform.asked.details.length = 0;
    const { snapshot } = await lookAtSockets([record()], [], before, platform);
    expect(platform.asked.details.map(({ listens }) => sorted(listens))).toEqual([[TOOL, BELOW]]);
    expect([...snapshot.listens]).toEqual([
      [LAUNCHER, false],
      [TOOL, false],
      [BELOW, true],
    ]);
  });

  test('is of whatever is below it where there are no groups, and of nothing below one that is gone', async () => {
    const platform = madeUp({ ...machine, shows: { groups: false } });
    const before = await looked(platform, [record()]);
    platform.asked.details.length = 0;
    await lookAtSockets([record(), gone], [], before, platform);
    expect(platform.asked.details.map(({ listens }) => sorted(listens))).toEqual([
      [SERVER, TOOL, BELOW, BESIDE].sort(),
    ]);
  });

  test('is of every place that a record, a lease or a session speaks of', async () => {
    const platform = madeUp({
      ...machine,
      processes: [...processes, client(CLIENT)],
      details: { [CLIENT]: { cwd: '/session', hidesCwd: false } },
    });
    const leases = [{ path: '/lease' }, { path: undefined }, { path: '/repo' }];
    const { snapshot } = await lookAtSockets([record(), gone], leases, await looked(platform), platform);
    expect([...snapshot.places.keys()].sort()).toEqual(['/also', '/lease', '/repo', '/session']);
  });

  test('may be of one server alone', async () => {
    const platform = madeUp(machine);
    const { snapshot, candidate } = await lookAtServer(
      record(),
      [{ path: '/lease' }],
      await looked(platform),
      platform,
    );
    expect([candidate.located.kind, snapshot.sockets.size, snapshot.places.has('/lease')]).toEqual([
      'present',
      1,
      true,
    ]);
  });

  test('follows the first, which is of the same records', async () => {
    const platform = madeUp(machine);
    const sources = { platform, claudeSessions: () => undefined };
    const { candidates, snapshot } = await takeSnapshot([record()], [{ path: '/lease' }], sources);
    expect([candidates.length, snapshot.sockets.size, snapshot.places.has('/lease')]).toEqual([1, 1, true]);
    const close = await lookAtRecord(record(), sources);
    expect([close.candidate.located.kind, close.snapshot.sockets.size]).toEqual(['present', 1]);
  });

  test('is taken again for a server that was found, and for no other', async () => {
    const platform = madeUp(machine);
    const { candidates } = await lookAtSockets([record(), gone], [], await looked(platform), platform);
    const now = await Promise.all(candidates.map((one) => socketsNow(one, platform)));
    expect(now).toEqual([sockets, undefined]);
    expect(platform.asked.trees.map(({ server }) => server)).toEqual([SERVER, SERVER]);
  });
});
