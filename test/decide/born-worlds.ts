import { companionIn } from '../../src/decide/born-proofs.js';
import type { AskingJob, Origin, Plugin, Stream, Traces } from '../../src/model/birth.js';
import type { Sameness } from '../../src/model/identity.js';
import type { ServerRecord } from '../../src/model/record.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import { but, type Change, running, seen, spawnedWith } from './changes.js';
import { FREE, HOUR, LAUNCHER, launched, native, process, SERVER, type Situation, serve } from './given.js';

/*
 * Servers that no file is about, as the machine shows them: one for each thing that proves that a plugin started them.
 */

/** What is left of the start of a server, as it can be looked at. */
export interface Birthmarks {
  /** By pid. What is missing could not be read. */
  readonly argvs: ReadonlyMap<number, readonly string[]>;
  readonly pidNamespace: Sameness;
  readonly streams: readonly (Stream | undefined)[];
  /** In the folder of the script that its parent runs. */
  readonly parentPlugin: Plugin | 'none' | undefined;
  /** In the folder that its environment names. */
  readonly hookPlugin: Plugin | 'none' | undefined;
  readonly job: AskingJob | 'none' | undefined;
}

export interface Bearing extends Situation {
  readonly marks?: Birthmarks | undefined;
  /** This platform does not show how a process was started. */
  readonly hidesBirths?: true;
}

export const COMPANION = 4242;
export const SYSTEMD = 951;
/** Another server, which is nobody's that is judged here. */
export const STRANGER = 6000;
export const HOME = '/home/me';
export const SESSION = '7ab48386-34d2-4ab0-b1da-da040a522746';
export const SCRIPT = '/home/me/.claude/plugins/cache/m/opencode/1.0.0/scripts/opencode-companion.mjs';
export const ENV_FILE = `/home/me/.claude/session-env/${SESSION}/sessionstart-hook-2.sh`;
export const PLUGIN: Plugin = { name: 'opencode', version: '1.0.0' };
export const ARGV = ['opencode', 'serve', '--port', '4096'];
const LAUNCHING = ['node', '/usr/bin/opencode', ...ARGV.slice(1)];
const LAUNCHED = ['/usr/lib/node_modules/opencode-ai/bin/.opencode', ...ARGV.slice(1)];

export const STREAMS = {
  socket: ['null, to read', 'socket', 'socket'],
  hook: ['null, to read', 'null, for both', 'null, for both'],
} as const;

const origin: Origin = {
  home: HOME,
  inAgent: false,
  aiAgent: 'claude-code_2-1-330_agent',
  claudeCode: '1',
  gitEditor: 'true',
  envFile: undefined,
  pluginRoot: undefined,
  pluginData: undefined,
  clientPid: FREE as Origin['clientPid'],
  session: SESSION,
};

export const marked =
  (change: Partial<Birthmarks>): Change =>
  (given) => {
    const { marks } = given as Bearing;
    return marks ? ({ ...given, marks: { ...marks, ...change } } as Situation) : given;
  };

export const ranAs =
  (pid: number, argv: readonly string[] | undefined): Change =>
  (given) => {
    const { marks } = given as Bearing;
    const others = [...(marks?.argvs ?? [])].filter(([one]) => one !== pid);
    return marked({ argvs: new Map([...others, ...(argv ? [[pid, argv] as const] : [])]) })(given);
  };

/** What the environments of a server and of its launcher say, if they say anything. */
export const originating =
  (change: Partial<Origin>): Change =>
  (given) =>
    but(
      given,
      ...[SERVER, LAUNCHER].map((pid): Change => {
        const its = given.snapshot.environments.get(pid);
        return its?.origin ? spawnedWith(pid, { origin: { ...its.origin, ...change } }) : (same) => same;
      }),
    );

const marks: Birthmarks = {
  argvs: new Map([
    [1, ['/sbin/init']],
    [SYSTEMD, ['/usr/lib/systemd/systemd', '--user']],
    [COMPANION, ['/usr/bin/node', SCRIPT, 'task-worker']],
    [SERVER, ARGV],
  ]),
  pidNamespace: 'same',
  streams: STREAMS.socket,
  parentPlugin: PLUGIN,
  hookPlugin: 'none',
  job: 'none',
};

/** Nothing but its birth says whose it is. */
const bare = (given: Situation): Bearing => ({
  ...but(
    given,
    ...[SERVER, LAUNCHER].map((pid): Change => {
      const isThere = given.snapshot.processes?.has(pid);
      return isThere ? spawnedWith(pid, { tag: undefined, origin }) : (same) => same;
    }),
  ),
  marks,
});

const orphaned = seen(SERVER, { parent: 1 });
const waitedFor = running(process(COMPANION, { name: 'node', ageMs: HOUR + 500 }));
const asHook = originating({
  aiAgent: 'claude-code_2-1-330_harness',
  claudeCode: undefined,
  gitEditor: undefined,
  envFile: ENV_FILE,
  pluginRoot: '/p',
  pluginData: '/home/me/.claude/plugins/data/DevMinions-a-market',
});

export const BORN: Readonly<Record<string, Bearing>> = {
  'born of its parent': but(bare(native), waitedFor, seen(SERVER, { parent: COMPANION })),
  'born of its parent, through a launcher': but(
    bare(launched),
    waitedFor,
    seen(LAUNCHER, { parent: COMPANION, command: { ...serve, interpreted: true } }),
    ranAs(LAUNCHER, LAUNCHING),
    ranAs(SERVER, LAUNCHED),
  ),
  'born in a hook': but(
    bare(native),
    orphaned,
    asHook,
    marked({ streams: STREAMS.hook, hookPlugin: { name: 'DevMinions', version: '1.2.0' } }),
  ),
  'born by a log': but(bare(native), orphaned, marked({ job: { name: 'task-1', afterMs: 20 } })),
  'born below systemd': but(
    bare(native),
    running(process(SYSTEMD, { name: 'systemd', parent: 1 })),
    seen(SERVER, { parent: SYSTEMD }),
    marked({ job: { name: 'task-1', afterMs: 3_000 } }),
  ),
};

/** What the program gets to see of it: the same, as it is looked up for one server. */
export function tracesOf(
  { argvs, pidNamespace, streams, ...found }: Birthmarks,
  { spawned, server }: ServerRecord,
  { processes, environments }: Snapshot,
): Traces | undefined {
  const top = spawned && processes?.get(spawned.pid);
  if (top === undefined || server === undefined) return undefined;
  // Of one that has ended, nothing is shown.
  const parent = top.parent === 1 || processes?.has(top.parent) ? argvs.get(top.parent) : undefined;
  const its = environments.get(top.pid)?.origin;
  const [, output] = streams;
  return {
    commandLines: [...new Set<number>([top.pid, server.pid])].map((pid) => argvs.get(pid)),
    pidNamespace,
    home: its === undefined ? 'unknown' : its.home === HOME ? 'same' : 'different',
    streams,
    parent,
    parentPlugin: companionIn(parent) === undefined ? parent && 'none' : found.parentPlugin,
    hookPlugin: its && (its.pluginRoot?.startsWith('/') ? found.hookPlugin : 'none'),
    job: companionIn(parent) === undefined && [undefined, 'socket'].includes(output) ? found.job : 'none',
  };
}
