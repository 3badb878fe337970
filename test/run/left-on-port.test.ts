import type { Identity } from '../../src/model/identity.js';
import type { Listener, Platform } from '../../src/observe/platform.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import type { Judgement } from '../../src/run/judge.js';
import { freePortOf } from '../../src/run/left-on-port.js';
import { openWorld } from '../../src/run/world.js';
import { keep } from '../../src/state/ours/registry.js';
import { FREE, identity, PORT, process as processOf, record, SERVER, tableOf } from '../decide/given.js';
import { test } from '../support/reaped.js';

/* What Windows lists under a server that has ended, by a made-up list of processes. */

const LEFT = 8000;
const token = '13440074904138060';
const bare = { group: undefined, session: undefined, terminal: undefined };
const server = processOf(SERVER, { ...bare, name: 'opencode.exe', ageMs: 60_000 });
const left = processOf(LEFT, {
  ...bare,
  name: 'ping.exe',
  startToken: token,
  parent: 0,
  orphanOf: SERVER,
  ageMs: 30_000,
});

async function windows(listens: boolean, listeners: (Listener | 'nobody')[]) {
  const scripts: string[] = [];
  const table = tableOf(left, processOf(FREE, bare));
  let isAnew = false;
  const platform: Platform = {
    ...(await thisPlatform()),
    shows: {
      environments: false,
      groups: false,
      clients: true,
      births: false,
      cwdOfAll: false,
      startTokens: 'microseconds',
    },
    processes: async () => (isAnew ? table : tableOf(server, left)),
    lookAnew: () => {
      isAnew = true;
    },
    details: async ({ listens: pids = [] }) => new Map(pids.map((pid) => [pid, { listens }])),
    sockets: async (trees) => trees.map(() => undefined),
    listener: async () => listeners.at(listeners.length > 1 ? -1 : 0),
    runScript: async (script) => {
      scripts.push(script);
      listeners.push('nobody');
      return JSON.stringify({ ended: [{ pid: LEFT, what: 'ended' }] });
    },
  };
  return { platform, scripts };
}

const ended = { record, tree: { members: [server], apart: [], left: [] }, survey: { snapshot: { at: Date.now() } } };

async function freed(
  stateDir: string,
  env: Record<string, string>,
  marked: readonly Identity[],
  listens = false,
  after?: Listener,
) {
  const { platform, scripts } = await windows(listens, [after ?? { pid: server.pid, owner: undefined }]);
  const world = await openWorld(stateDir, env, 'person', platform);
  for (const one of marked) keep(world.folder, { id: `${one.pid}`, processes: [one], machine: await platform.host() });
  const ending = { look: platform.look, lineage: new Set<number>(), graceMs: 0, runScript: platform.runScript };
  const listener = await freePortOf(PORT, ended as unknown as Judgement, world, ending);
  return { listener, ended: scripts.map((script) => /'(\d+):/.exec(script)?.[1]) };
}

test('a child that a server has left ends, and its port is free', async ({ sandbox, expect }) => {
  const { stateDir } = sandbox;
  expect(await freed(stateDir, sandbox.env({}), [])).toEqual({ listener: undefined, ended: [`${LEFT}`] });
});

test('one that was kept meanwhile stays, and the server that has ended is not named', async ({ sandbox, expect }) => {
  const marked = [{ pid: left.pid, startToken: token }];
  expect(await freed(sandbox.stateDir, sandbox.env({}), marked)).toEqual({ listener: undefined, ended: [] });
  // Of another process it says nothing.
  const other = await freed(`${sandbox.stateDir}-2`, sandbox.env({}), [identity(FREE)]);
  expect(other.ended).toEqual([`${LEFT}`]);
});

test('one that waits for others stays', async ({ sandbox, expect }) => {
  expect((await freed(sandbox.stateDir, sandbox.env({}), [], true)).ended).toEqual([]);
});

test('whoever lives and listens is named', async ({ sandbox, expect }) => {
  const { pid } = identity(FREE);
  const { listener } = await freed(sandbox.stateDir, sandbox.env({}), [], true, { pid, owner: undefined });
  expect(listener).toBe(FREE);
});
