import type { Birth, BornProof, Origin, Plugin, Stream, Traces } from '../model/birth.js';
import { compare, type Sameness } from '../model/identity.js';
import type { Process } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Answer } from './alive.js';

/* The three things that prove that a plugin started a server which it did not write down. One of them is enough. */

/** One server and all that was seen of it. `top` is the process that was spawned: the server or its launcher. */
export interface Sight {
  readonly top: Process;
  readonly server: Process;
  readonly traces: Traces;
  readonly snapshot: Snapshot;
}

/** What shows that a plugin started a server that is in no file, in words; undefined for any other server. */
export const shownBirth = ({ birth }: { readonly birth: Birth | undefined }): string | undefined =>
  birth === undefined || birth.proof.kind === 'unknown' ? undefined : bornBy(birth.proof);

function bornBy(proof: BornProof): string {
  switch (proof.kind) {
    case 'parent':
      return `its parent, pid ${proof.pid}, is ${proof.script} of ${proof.plugin}`;
    case 'hook':
      return `started by the SessionStart hook of ${proof.plugin} in session ${proof.session}`;
    case 'log':
      return `job ${proof.job} asked for a server ${(Math.max(0, proof.afterMs) / 1000).toFixed(2)} s before it started`;
  }
}

/** Something that may prove it, and could not be read. */
interface Unclear {
  readonly kind: 'unknown';
  readonly because: string;
}
type Shown = BornProof | Unclear | 'no';

const unclear = (because: string): Unclear => ({ kind: 'unknown', because });

/** The first of these that is not a yes decides: `no` proves nothing, `unknown` may. */
function provenBy(conditions: readonly (readonly [what: string, is: Answer])[], proof: BornProof | undefined): Shown {
  if (conditions.some(([, is]) => is === 'no')) return 'no';
  const unread = conditions.find(([, is]) => is === 'unknown');
  return unread ? unclear(unread[0]) : (proof ?? 'no');
}

/** A program that is a plugin's by its place. The plugin's job workers run the same file. */
const COMPANION = '/scripts/opencode-companion.mjs';

/** The script of a plugin that a command line runs: `node /…/scripts/opencode-companion.mjs …`. */
export function companionIn(argv: readonly string[] | undefined): string | undefined {
  const [program = '', script = ''] = argv ?? [];
  return /^(.*\/)?(node|bun)$/.test(program) && script.startsWith('/') && script.endsWith(COMPANION)
    ? script
    : undefined;
}

/** The folder of the plugin that such a script belongs to. */
export const pluginRootOf = (script: string): string => script.slice(0, -COMPANION.length);

/**
 * The plugin's own program is its parent. The parent of a process is who started it, or, once that has ended, whoever
 * looks after orphans; node never does that.
 */
export function byParent({ top, traces, snapshot }: Sight): Shown {
  const parent = snapshot.processes?.get(top.parent);
  if (parent === undefined) return 'no';
  const script = companionIn(traces.parent);
  const isOlder = told(parent.ageMs, (ageMs) => top.ageMs !== undefined && ageMs >= top.ageMs);
  const plugin = named(traces.parentPlugin);
  return provenBy(
    [
      ['the command line of its parent', told(traces.parent, () => script !== undefined)],
      ['whose process its parent is', ifSame(compare(parent.owner, snapshot.owner))],
      ['the age of its parent', top.ageMs === undefined ? 'unknown' : isOlder],
      ['the plugin of its parent', isThere(traces.parentPlugin)],
    ],
    script !== undefined && plugin !== undefined ? { kind: 'parent', pid: parent.pid, script, plugin } : undefined,
  );
}

/**
 * It carries the variables that Claude Code gives to a hook of that plugin alone, and is as that hook starts it. The
 * variable that names a plugin's folder is not enough: a person may set it for everything, a hook of their own included.
 */
export function byHook(sight: Sight): Shown {
  const { top, traces, snapshot } = sight;
  const { origin } = snapshot.environments.get(top.pid) ?? {};
  const session = hookIn(origin?.envFile);
  const plugin = named(traces.hookPlugin);
  return provenBy(
    [
      ['its environment', inEnvironment(snapshot, origin, isFromHook)],
      ['its environment', inEnvironment(snapshot, origin, (it) => hasDataOf(traces.hookPlugin, it))],
      ['where its output goes', streamsAre(traces, [isNull, isNode, isNode])],
      ['its parent', isOrphan(sight)],
      ['the plugin that its environment names', isThere(traces.hookPlugin)],
    ],
    session !== undefined && plugin !== undefined ? { kind: 'hook', plugin, session } : undefined,
  );
}

/** The plugin's own log says that a job asked for a server just before this one started, in the same folder. */
export function byLog(sight: Sight): Shown {
  const { top, traces, snapshot } = sight;
  const { origin } = snapshot.environments.get(top.pid) ?? {};
  const job = traces.job === 'none' ? undefined : traces.job;
  return provenBy(
    [
      ['its environment', inEnvironment(snapshot, origin, ({ aiAgent }) => TOOL.test(aiAgent ?? ''))],
      ['where its output goes', streamsAre(traces, [isNull, isSocket, isSocket])],
      ['its parent', isOrphan(sight)],
      ['the log of a job', told(traces.job, (it) => it !== 'none' && isSoonAfter(it.afterMs))],
    ],
    job && { kind: 'log', job: job.name, afterMs: job.afterMs },
  );
}

/** As Claude Code calls itself to what its tools start, and to what its hooks start. */
const TOOL = /^claude-code[_/].+[_/]agent$/;
const HOOK = /^claude-code[_/].+[_/]harness$/;

/** Until 2.1.197 hooks had neither of the first two; the shell tool had CLAUDECODE, and always has GIT_EDITOR. */
const isFromHook = ({ aiAgent, claudeCode, envFile, gitEditor }: Origin): boolean =>
  (aiAgent === undefined ? claudeCode === undefined : HOOK.test(aiAgent)) &&
  hookIn(envFile) !== undefined &&
  gitEditor !== 'true';

/**
 * The folder that Claude Code keeps for a plugin's data: `…/data/<plugin>-<marketplace>`, with a dash for whatever is no
 * letter, digit, dash or underscore. All clients since 2.1.104 name it to a plugin's hooks, beside the plugin's own.
 */
function hasDataOf(plugin: Plugin | 'none' | undefined, { pluginData }: Origin): boolean {
  if (typeof plugin !== 'object') return true;
  const [, id] = /^\/.*\/data\/([\w-]+)\/?$/.exec(pluginData ?? '') ?? [];
  return id?.startsWith(`${plugin.name.replace(/[^\w-]/g, '-')}-`) === true;
}

/** The session in the name of the file that a SessionStart hook may write variables to. */
export function hookIn(envFile: string | undefined): string | undefined {
  return /^\/.*\/session-env\/([0-9a-f-]{36})\/sessionstart-hook-\d+\.sh$/.exec(envFile ?? '')?.[1];
}

/**
 * Linux tells both a process's start and the time since boot in hundredths of a second, rounded down: a start may seem
 * 10 ms earlier than it was, and a server that started 5 ms after the line would be proven or not as it happens.
 */
const ROUNDING_MS = 20;

/**
 * A plugin's server starts within 30 ms after that line, on a busy machine later; if something on its port does not
 * answer, the plugin waits 3 s for it first.
 */
export const isSoonAfter = (afterMs: number): boolean =>
  (afterMs >= -ROUNDING_MS && afterMs <= 1_500) || (afterMs >= 2_900 && afterMs <= 4_500);

/** Whether its starter has ended: then its parent is whoever looks after orphans here. */
function isOrphan({ top, traces, snapshot }: Sight): Answer {
  // In a container the first process may be a program that starts servers itself.
  if (top.parent === 1) return RUNTIME.test(traces.parent?.[0] ?? '') ? 'no' : 'yes';
  return told(snapshot.processes?.get(top.parent), ({ name }) => name === 'systemd');
}

const RUNTIME = /^(.*\/)?(node|nodejs|bun|deno)$/;

/** Where no environment can be seen at all, none proves anything; one that cannot be read may. */
const inEnvironment = (
  { showsEnvironments }: Snapshot,
  origin: Origin | undefined,
  test: (origin: Origin) => boolean,
): Answer => (showsEnvironments ? told(origin, test) : 'no');

type IsStream = (stream: Stream) => boolean;

const isNull: IsStream = (stream) => stream === 'null, to read' || stream === 'null, for both';
const isNode: IsStream = (stream) => stream === 'null, for both';
const isSocket: IsStream = (stream) => stream === 'socket';

function streamsAre({ streams }: Traces, wanted: readonly IsStream[]): Answer {
  const answers = wanted.map((test, at) => told(streams[at], test));
  return answers.includes('no') ? 'no' : answers.includes('unknown') ? 'unknown' : 'yes';
}

export const told = <T>(value: T | undefined, test: (value: T) => boolean): Answer =>
  value === undefined ? 'unknown' : test(value) ? 'yes' : 'no';

export function all<T>(values: readonly (T | undefined)[], test: (value: T) => boolean): Answer {
  const answers = values.map((value) => told(value, test));
  if (answers.includes('no')) return 'no';
  return answers.includes('unknown') || answers.length === 0 ? 'unknown' : 'yes';
}

export const ifSame = (sameness: Sameness): Answer =>
  sameness === 'same' ? 'yes' : sameness === 'different' ? 'no' : 'unknown';

const isThere = (found: object | 'none' | undefined): Answer => told(found, (it) => it !== 'none');

const named = (plugin: Plugin | 'none' | undefined): string | undefined =>
  typeof plugin === 'object' ? [plugin.name, plugin.version].filter((word) => word !== undefined).join(' ') : undefined;
