import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os, { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import timers from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { type Host, parsePid } from '../../src/model/identity.js';
import type { Connection, Environment, Process, ProcessTable, Sockets } from '../../src/model/process.js';
import type { Platform } from '../../src/observe/platform.js';
import { type Judgement, judgeAll } from '../../src/run/judge.js';
import { survey } from '../../src/run/survey.js';
import { openWorld, type World } from '../../src/run/world.js';
import { environment } from '../decide/given.js';
import { first, handMade, json, type Routes } from './hand-made.js';

/*
 * A machine in the memory of a test, for the steps of a stop: its processes, sockets, clock and signals are made up, its
 * server is one in this process, and its files are real. Whatever is looked at, asked or signaled is a step, before which
 * something may happen.
 */

/** Higher than any pid of this machine, so that none of them is touched by mistake. */
export const SERVER = 5_000_042;
export const LAUNCHER = 5_000_041;
export const MCP = 5_000_043;
export const OTHER = 5_000_044;
export const CLIENT = 5_000_045;
const NAMES = new Map([
  [SERVER, 'server'],
  [LAUNCHER, 'launcher'],
  [MCP, 'mcp'],
  [OTHER, 'other'],
  [CLIENT, 'client'],
  [process.pid, 'self'],
]);
export const ID = 'srv-1';
export const TAG = 'a tag';
export const HOUR = 3_600_000;
const DAY = 24 * HOUR;
export const HOST: Host = { id: 'made up', boot: 'its boot', pidNamespace: 'its pids', name: 'made-up' };
const US = process.getuid?.().toString();

export const pidOf = (value: number) => parsePid(value) ?? expect.fail(`${value} is no pid`);

/** As those of Windows look, which are all that is told to what ends processes there. */
export const tokenOf = (pid: number): string => `1344007490${pid}`;

export const identityOf = (pid: number) => ({ pid, startToken: tokenOf(pid) });

/** A run that has died. */
export const DEAD = { pid: 5_000_099, startToken: 'a run that has died' };

export const processOf = (pid: number, but: Partial<Process> = {}): Process => ({
  pid: pidOf(pid),
  startToken: tokenOf(pid),
  parent: 1,
  group: SERVER,
  session: SERVER,
  terminal: false,
  owner: US,
  name: NAMES.get(pid) ?? 'x',
  command: { kind: 'other' },
  ageMs: HOUR,
  memoryBytes: undefined,
  ...but,
});

export const SERVE = { kind: 'serve', port: undefined, sharedDaemon: undefined, interpreted: false } as const;

export const environmentOf = (but: Partial<Environment> = {}): Environment => ({ ...environment, tag: TAG, ...but });

export interface Clock {
  /** Milliseconds since the test began. */
  now(): number;
  /** What waits for it waits on. */
  pass(ms: number): void;
  /** Happens when so much time has passed. */
  at(ms: number, happens: () => void): void;
}

/** Time that passes only where something sleeps, and then at once: by the clock, since boot, and in timers. */
export function standInForClock(): Clock {
  let now = 7_000;
  let reads = 0;
  const due: { ms: number; happens: () => void }[] = [];
  const pass = (ms: number): void => {
    now += ms;
    reads = 0;
    for (const one of due.filter((each) => each.ms <= now)) {
      due.splice(due.indexOf(one), 1);
      one.happens();
    }
  };
  const { setTimeout: sleep } = timers;
  const { uptime } = os;
  const own = Object.getOwnPropertyDescriptor(performance, 'now');
  const read = (): number => {
    reads += 1;
    if (reads > 10_000) throw new Error('nothing sleeps, so time stands still');
    return now;
  };
  Object.defineProperty(performance, 'now', { value: read, configurable: true, writable: true });
  Object.assign(os, { uptime: () => 10_000 + now / 1000 });
  Object.assign(timers, {
    setTimeout: async (ms = 0) => {
      pass(ms);
      if (now > DAY) throw new Error('this waits for more than a day');
      await timers.setImmediate();
    },
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    if (own) Object.defineProperty(performance, 'now', own);
    else Reflect.deleteProperty(performance, 'now');
    Object.assign(os, { uptime });
    Object.assign(timers, { setTimeout: sleep });
    syncBuiltinESMExports();
  });
  return { now: () => now, pass, at: (ms, happens) => due.push({ ms, happens }) };
}

export interface Scripted {
  readonly root: string;
  readonly clock: Clock;
  readonly world: World;
  /** Every process of the machine, by pid; `ageMs` is as of the beginning. */
  readonly processes: Map<number, Process>;
  readonly environments: Map<number, Environment>;
  /** Which processes wait for connections. */
  readonly listens: Map<number, boolean>;
  /** Connections of the server. */
  readonly inbound: Connection[];
  /** Who listens on its port once it is gone. */
  successor: number | undefined;
  /** Replaces what the server's sockets show. */
  sockets: Partial<Sockets> | undefined;
  /** Every step so far. */
  readonly steps: string[];
  /** Those that ask it to do something, or end something. */
  acts(): string[];
  /** Before the nth such step, counted from now on, or before each. */
  before(step: string | RegExp, nth: number | 'each', happens: () => void): void;
  /** What a process does about a signal, in place of ending at once. */
  on(signal: 'SIGTERM' | 'SIGKILL', pid: number, does: () => void): void;
  readonly port: number;
  /** What the server was asked so far. */
  asked(): readonly URL[];
  /** What its record says. */
  text(): string;
  readonly record: string;
  readonly fence: string;
  write(name: string, content: unknown): string;
  /** Everything is looked at and judged, the server asked. */
  judged(): Promise<Judgement>;
}

export const POLICY = { olderThanMs: 0, graceMs: 1_000, endStrays: false };

export interface Script {
  readonly routes?: Routes;
  readonly platform?: (platform: Platform, stage: Omit<Scripted, 'world'>) => Partial<Platform>;
  readonly record?: object;
}

/** Where no test waits for a disk. */
function inMemory(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    // As on macOS, or where it is closed.
    return tmpdir();
  }
}

/** A stale server, recorded as a plugin's, with one MCP server below it. */
export async function scripted({ routes = first(), platform: as, record: but = {} }: Script = {}): Promise<Scripted> {
  const root = mkdtempSync(join(inMemory(), 'opencode-reap-scripted-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const clock = standInForClock();
  const steps: string[] = [];
  const waiting: { step: string | RegExp; left: number | 'each'; happens: () => void }[] = [];
  const step = (name: string): void => {
    for (const one of waiting) {
      if (typeof one.step === 'string' ? one.step !== name : !one.step.test(name)) continue;
      if (one.left !== 'each') one.left -= 1;
      if (one.left === 'each' || one.left === 0) one.happens();
    }
    steps.push(name);
  };
  const told: Routes = { '/global/dispose': json(true), ...routes };
  const server = await handMade(
    Object.fromEntries(
      Object.entries(told).map(([path, handler]) => [
        path,
        (request, response) => {
          step(`${request.method} ${path}`);
          handler(request, response);
        },
      ]),
    ),
  );
  const stateDir = join(root, 'state');
  const write = (name: string, content: unknown): string => {
    const file = join(stateDir, name);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
    return file;
  };
  const does = new Map<string, () => void>();
  const stage = {
    root,
    clock,
    processes: new Map([
      [SERVER, processOf(SERVER, { command: SERVE })],
      [MCP, processOf(MCP, { parent: SERVER })],
      [process.pid, processOf(process.pid, { group: process.pid, session: process.pid, name: 'self' })],
    ]),
    environments: new Map([
      [SERVER, environmentOf()],
      [MCP, environmentOf({ opencodePid: `${SERVER}` })],
    ]),
    listens: new Map<number, boolean>(),
    inbound: [] as Connection[],
    successor: undefined as number | undefined,
    sockets: undefined as Partial<Sockets> | undefined,
    steps,
    acts: () => steps.filter((one) => /^(POST|SIG|script)/.test(one)),
    before: (name: string | RegExp, nth: number | 'each', happens: () => void) =>
      void waiting.push({ step: name, left: nth, happens }),
    on: (signal: string, pid: number, action: () => void) => void does.set(`${signal} ${pid}`, action),
    port: server.port,
    asked: () => server.asked,
    text: () => readFileSync(join(stateDir, `servers/${ID}.json`), 'utf8'),
    record: join(stateDir, `servers/${ID}.json`),
    fence: join(stateDir, `closing/${ID}.json`),
    write,
  };
  const aged = (one: Process): Process => ({
    ...one,
    ageMs: one.ageMs === undefined ? undefined : one.ageMs + clock.now(),
  });
  const table = (): ProcessTable => new Map([...stage.processes].map(([pid, one]) => [pid, aged(one)]));
  const nameOf = (pid: number): string => NAMES.get(pid) ?? `${pid}`;
  let isLooking = false;
  const here: Platform = {
    name: 'made up',
    shows: { environments: true, clients: true, startTokens: 'own', births: false, cwdOfAll: false },
    // Once in each look, before anything is read.
    host: async () => {
      if (!isLooking) step('look around');
      isLooking = true;
      return HOST;
    },
    processes: async () => {
      step('list');
      return table();
    },
    look: (pid) => {
      step(`look ${nameOf(pid)}`);
      return table().get(pid) ?? 'gone';
    },
    details: async ({ environment = [], listens = [], cwd = [] }) => {
      step(listens.length > 0 ? `details: listens ${listens.map(nameOf)}` : 'details');
      return new Map(
        [...new Set([...environment, ...listens, ...cwd])].flatMap((pid) =>
          stage.processes.has(pid)
            ? [[pid, { environment: stage.environments.get(pid), listens: stage.listens.get(pid) ?? false }] as const]
            : [],
        ),
      );
    },
    sockets: async (trees) => {
      isLooking = false;
      step('sockets');
      return trees.map(({ server: pid }) =>
        pid === SERVER && stage.processes.has(pid)
          ? {
              listening: [{ host: '127.0.0.1', port: server.port, pid: SERVER }],
              inbound: [...stage.inbound],
              outbound: 0,
              lately: [],
              ourNetwork: true,
              ...stage.sockets,
            }
          : undefined,
      );
    },
    listener: async () => {
      step('listener');
      const pid = stage.processes.has(SERVER) ? SERVER : stage.successor;
      return pid === undefined ? 'nobody' : { pid, owner: US };
    },
  };
  const platform = { ...here, ...as?.(here, stage as unknown as Omit<Scripted, 'world'>) };
  standInForSignals((pid, name) => {
    step(`${name} ${nameOf(pid)}`);
    if (!stage.processes.has(pid)) throw Object.assign(new Error('ESRCH'), { code: 'ESRCH' });
    const action = does.get(`${name} ${pid}`) ?? (() => stage.processes.delete(pid));
    action();
  });
  write(`servers/${ID}.json`, recordOf(root, server.port, but));
  const env = { HOME: join(root, 'home'), OPENCODE_REAP_TMP: join(root, 'tmp'), TMPDIR: join(root, 'tmp') };
  const world = await openWorld(stateDir, env, 'person', platform);
  const looking = { ...world, projects: [] };
  const judged = async (): Promise<Judgement> => {
    const [judgement] = await judgeAll(await survey(looking), POLICY, looking);
    steps.length = 0;
    return judgement ?? expect.fail('no server is recorded');
  };
  return Object.assign(stage, { world: looking, judged });
}

export const recordOf = (root: string, port: number, but: object = {}) => ({
  schema: 'opencode-reap/1',
  id: ID,
  startedByPlugin: true,
  plugin: 'a test',
  tag: TAG,
  pid: SERVER,
  startToken: tokenOf(SERVER),
  serverPid: SERVER,
  serverStartToken: tokenOf(SERVER),
  machine: HOST,
  hostname: '127.0.0.1',
  port,
  workspace: root,
  startedAt: new Date(Date.now() - HOUR).toISOString(),
  state: 'ready',
  ...but,
});

/** Nothing is signaled but what is made up. */
function standInForSignals(send: (pid: number, name: string) => void): void {
  const { kill } = process;
  onTestFinished(() => void Object.assign(process, { kill }));
  Object.assign(process, {
    kill: (pid: number, name: string) => {
      if (pid < SERVER - 1_000) throw new Error(`${name} to a process of this machine: ${pid}`);
      send(pid, name);
      return true;
    },
  });
}

export const textIn = (file: string): string | undefined => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);
