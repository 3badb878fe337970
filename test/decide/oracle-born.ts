import type { Process } from '../../src/model/process.js';
import type { ServerRecord } from '../../src/model/record.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import { type Birthmarks, HOME, STRANGER } from './born-worlds.js';
import {
  type Facts,
  kindsOf,
  type Opinion,
  opinionOf,
  pathUp,
  pidsOf,
  questions,
  type Says,
  united,
} from './oracle.js';

/*
 * The part of docs/state-files.md about plugins that write nothing down, as it is written there. A launcher may be above
 * the server, and which process is which is open here: each pair is judged by itself.
 */

type Is = 'yes' | 'no' | 'unknown';

/** What is left of its start, whether this platform shows that, and where it works. */
export type Births = Birthmarks & { readonly isShown: boolean; readonly workspace: string | undefined };

interface Pair {
  readonly top: Process;
  readonly server: Process;
}

const NONE: Opinion = { kinds: new Set(['none']), targets: new Set() };
const SPARED: Opinion = { kinds: new Set(['spared']), targets: new Set() };

export function opinionOfBorn({ births, ...facts }: Facts): Opinion {
  const { records, snapshot } = facts;
  const pairs = pairsIn(snapshot);
  const byRecords = records.length === 0 ? NONE : opinionOf(facts);
  if (births === undefined || pairs.length === 0) return byRecords;
  const opinions = pairs.flatMap((pair) => {
    const related = relation(pair, facts);
    if (related === 'recorded') return [byRecords];
    const own = births.isShown ? ofPair(pair, births, facts) : SPARED;
    return related === 'beside' ? [own] : [own, byRecords];
  });
  return united(opinions);
}

/** Every server of ours, with itself or what may have launched it. */
export function pairsIn(snapshot: Snapshot): Pair[] {
  const { processes, owner, listens } = snapshot;
  const servers = [...(processes?.values() ?? [])].filter(
    (one) => (one.pid !== STRANGER || one.parent > 1) && one.command?.kind === 'serve' && one.owner === owner,
  );
  const launching = new Set(
    servers.flatMap((server) => {
      const above = processes?.get(server.parent);
      return above && isLauncherOf(server, above, snapshot) ? [above] : [];
    }),
  );
  const own = servers.filter((one) => !launching.has(one));
  return own.flatMap((server) => {
    const above = processes?.get(server.parent);
    const launches = above?.command?.kind === 'serve' && above.pid !== server.pid && !listens.get(above.pid);
    if (!launches) return [{ top: server, server }];
    const isSure = isLauncherOf(server, above, snapshot);
    return [{ top: above, server }, ...(isSure ? [] : [{ top: server, server }])];
  });
}

/** It runs nothing but the server, is in its group, and nothing about it is hidden or another's. */
function isLauncherOf(server: Process, above: Process, { processes, environments, listens }: Snapshot): boolean {
  if (above.command?.kind !== 'serve' || listens.get(above.pid) !== false) return false;
  const children = [...(processes?.values() ?? [])].filter(({ parent }) => parent === above.pid);
  const [its, own] = [above, server].map(({ pid }) => environments.get(pid));
  const isAlike = above.owner !== undefined && above.owner === server.owner && its !== undefined && own !== undefined;
  // What says that it runs in OpenCode has been started there, and is never taken for a server by its place.
  const isNested = own?.opencodePid !== undefined || (own?.inTerminal && !its?.inTerminal);
  const isBeside = above.group !== undefined && above.group === server.group && children.length === 1;
  return isBeside && isAlike && its.tag === own.tag && !isNested;
}

/** No record may lead to it. */
function relation({ top, server }: Pair, facts: Omit<Facts, 'births'>): 'recorded' | 'perhaps' | 'beside' {
  const its: number[] = [top.pid, server.pid];
  const near = facts.records.map((record) => pidsOf(record, facts));
  const isSure = (pids: ReadonlySet<number>): boolean => pids.size > 0 && [...pids].every((pid) => its.includes(pid));
  if (near.some((pids) => isSure(pids) && !pids.has(0))) return 'recorded';
  return near.some((pids) => pids.has(0) || its.some((pid) => pids.has(pid))) ? 'perhaps' : 'beside';
}

function ofPair(pair: Pair, births: Births, facts: Omit<Facts, 'births'>): Opinion {
  const { top, server } = pair;
  const { snapshot } = facts;
  const shown = said(pair, births, snapshot);
  if (shown === 'no') return SPARED;
  // It stays unrecognized where environments are not shown; that it may be a plugin's is not said to go unsaid.
  // What has no start token cannot be told from another, and then it is open what else is asked.
  if (!snapshot.showsEnvironments || top.startToken === undefined)
    return { kinds: new Set(['spared', 'unsure']), targets: new Set() };
  const record = asRecord(pair, births.workspace, snapshot);
  const suspect = { process: server, ...(top === server ? {} : { launcher: top }), says: [] };
  const sayings: Says[] = [
    ...questions(suspect, { ...facts, records: [record] }),
    ...(shown === 'unknown' ? (['doubt'] as const) : []),
    ...(snapshot.machine.boot === undefined || snapshot.machine.pidNamespace === undefined ? (['doubt'] as const) : []),
    ...ofItsStart(pair, shown, births, snapshot),
  ];
  const kinds = kindsOf(sayings);
  return { kinds: new Set(kinds), targets: new Set(kinds.includes('stale') ? [server.pid] : []) };
}

/** Whether all of it is as those plugins start a server, and one thing proves it. */
function said(pair: Pair, births: Birthmarks, snapshot: Snapshot): Is {
  const { top, server } = pair;
  const environments = [top, server].map(({ pid }) => snapshot.environments.get(pid));
  const origins = environments.map((one) => one?.origin);
  const all: Is[] = [
    server.command?.kind === 'serve' && server.command.port === 4096 ? 'yes' : 'no',
    ...[top, server].map(({ pid }) => is(births.argvs.get(pid), isTheirs)),
    is(top.session, (session) => session === top.pid),
    is(top.group, (group) => group === top.pid),
    is(top.terminal, (terminal) => !terminal),
    isOurs(top, snapshot),
    births.pidNamespace === 'same' ? 'yes' : births.pidNamespace === 'different' ? 'no' : 'unknown',
    is(origins[0], ({ home }) => home === HOME),
    ...origins.map((origin) => is(origin, ({ inAgent }) => !inAgent)),
    ...environments.map((one) => is(one, ({ tag }) => tag === undefined)),
  ];
  if (all.includes('no')) return 'no';
  const proofs = [byParent(pair, births, snapshot), byHook(pair, births, snapshot), byLog(pair, births, snapshot)];
  if (proofs.every((one) => one === 'no')) return 'no';
  return all.includes('unknown') || !proofs.includes('yes') ? 'unknown' : 'yes';
}

/** Exactly `serve --port 4096`, run as `opencode`, or by node. */
function isTheirs(argv: readonly string[]): boolean {
  const [program = '', ...rest] = argv.slice(0, -3);
  const isOpencode = (word: string): boolean => /(^|\/)\.?opencode$/.test(word);
  const [script] = rest;
  const runs = script === undefined ? isOpencode(program) : /(^|\/)node$/.test(program) && isOpencode(script);
  return argv.slice(-3).join(' ') === 'serve --port 4096' && rest.length <= 1 && runs;
}

/** `node` or `bun` with the absolute path of the plugin's script; our own user's, and not younger. */
function byParent({ top }: Pair, { argvs, parentPlugin }: Birthmarks, snapshot: Snapshot): Is {
  const parent = snapshot.processes?.get(top.parent);
  if (parent === undefined) return 'no';
  const argv = argvs.get(top.parent);
  const runsIt = runsCompanion(argv);
  return every([
    is(argv, () => runsIt),
    isOurs(parent, snapshot),
    top.ageMs === undefined ? 'unknown' : is(parent.ageMs, (ageMs) => ageMs >= (top.ageMs ?? 0)),
    runsIt ? is(parentPlugin, (one) => one !== 'none') : is(argv, () => false),
  ]);
}

const runsCompanion = ([program = '', script = '']: readonly string[] = []): boolean =>
  /(^|\/)(node|bun)$/.test(program) && /^\/.*\/scripts\/opencode-companion\.mjs$/.test(script);

/** What only a SessionStart hook is given, a plugin with that script, output as node opens it, a starter that has ended. */
function byHook({ top }: Pair, { hookPlugin, streams, argvs }: Birthmarks, snapshot: Snapshot): Is {
  const origin = snapshot.environments.get(top.pid)?.origin;
  const [input, ...outputs] = [0, 1, 2].map((at) => streams[at]);
  return every([
    is(
      origin,
      ({ envFile = '', aiAgent, claudeCode, gitEditor }) =>
        /\/session-env\/[0-9a-f-]{36}\/sessionstart-hook-\d+\.sh$/.test(envFile) &&
        (aiAgent?.endsWith('_harness') ?? claudeCode === undefined) &&
        gitEditor !== 'true',
    ),
    is(input, (one) => one.startsWith('null') && one !== 'null, to write'),
    ...outputs.map((one) => is(one, (stream) => stream === 'null, for both')),
    hasLostItsStarter(top, argvs, snapshot),
    is(origin, ({ pluginRoot }) => pluginRoot?.startsWith('/') ?? false),
    typeof hookPlugin === 'object' ? is(origin, ({ pluginData }) => isDataOf(hookPlugin.name, pluginData)) : 'yes',
    origin === undefined ? 'unknown' : is(hookPlugin, (one) => one !== 'none'),
  ]);
}

/** `…/data/<plugin>-<marketplace>`, an absolute path. */
function isDataOf(plugin: string, folder = ''): boolean {
  const [parent, id = ''] = folder.split('/').slice(-2);
  return folder.startsWith('/') && parent === 'data' && id.startsWith(`${plugin}-`);
}

/** 0 to 1.5 s, or 2.9 to 4.5 s; output in sockets; what the shell tool calls itself; a starter that has ended. */
function byLog({ top }: Pair, { job, streams, argvs }: Birthmarks, snapshot: Snapshot): Is {
  const origin = snapshot.environments.get(top.pid)?.origin;
  const [input, ...outputs] = [0, 1, 2].map((at) => streams[at]);
  const isSoon = (ms: number): boolean => (ms >= -20 && ms <= 1_500) || (ms >= 2_900 && ms <= 4_500);
  return every([
    is(origin, ({ aiAgent = '' }) => /^claude-code.*_agent$/.test(aiAgent)),
    is(input, (one) => one.startsWith('null') && one !== 'null, to write'),
    ...outputs.map((one) => is(one, (stream) => stream === 'socket')),
    hasLostItsStarter(top, argvs, snapshot),
    // Where a plugin's own program is the parent, no log is looked at.
    snapshot.processes?.has(top.parent) && runsCompanion(argvs.get(top.parent)) ? 'no' : 'yes',
    is(job, (one) => one !== 'none' && isSoon(one.afterMs)),
  ]);
}

/** It is with whoever looks after orphans here; node never does. */
function hasLostItsStarter({ parent }: Process, argvs: Birthmarks['argvs'], { processes }: Snapshot): Is {
  if (parent === 1) return /(^|\/)(node|bun)$/.test(argvs.get(1)?.[0] ?? '') ? 'no' : 'yes';
  return is(processes?.get(parent), ({ name }) => name === 'systemd');
}

/** The session that it was started in holds it: the process that its environment names, or what is above its parent. */
function ofItsStart({ top, server }: Pair, shown: Is, births: Birthmarks, snapshot: Snapshot): Says[] {
  const origin = snapshot.environments.get(top.pid)?.origin;
  const client = origin?.clientPid === undefined ? undefined : snapshot.processes?.get(origin.clientPid);
  const said: Says[] = [];
  const isBelow = client !== undefined && pathUp(client, snapshot).includes(server);
  if (client?.ageMs !== undefined && server.ageMs !== undefined) {
    // Without a number for its age, neither is older.
    const isOlder = client.ageMs >= server.ageMs;
    if (isOlder) said.push(isBelow ? 'fine or veto' : 'veto or doubt');
  } else if (client) said.push(isBelow ? 'fine or doubt' : 'doubt');
  const parent = snapshot.processes?.get(top.parent);
  const proof = byParent({ top, server }, births, snapshot);
  if (parent === undefined || proof === 'no') return said;
  const sessions = [parent, ...pathUp(parent, snapshot)].filter(({ claude }) => claude && claude !== 'helper');
  // Whose program it is has to be known before its terminal, or what runs above it, says anything.
  const isSure = proof === 'yes' && shown === 'yes' && said.length === 0;
  const add = (says: 'veto' | 'doubt'): unknown =>
    said.push(isSure ? says : says === 'veto' ? 'fine or veto' : 'fine or doubt');
  // Of what is known of one session, a doubt may hide the rest.
  if (sessions.length > 0) said.push(isSure ? 'veto or doubt' : 'fine or veto');
  if (parent.terminal === undefined) add('doubt');
  else if (parent.terminal) add('veto');
  return said;
}

export const asRecord = ({ top, server }: Pair, workspace: string | undefined, snapshot: Snapshot): ServerRecord => {
  const origin = snapshot.environments.get(top.pid)?.origin;
  const [, ofHook] = /\/session-env\/([0-9a-f-]{36})\/sessionstart-hook-\d+\.sh$/.exec(origin?.envFile ?? '') ?? [];
  return {
    id: `${top.pid}-${top.startToken}`,
    source: { format: 'born', file: '' },
    trust: { kind: 'trusted' },
    ownership: 'plugin',
    plugin: undefined,
    tag: undefined,
    spawned: { pid: top.pid, startToken: top.startToken },
    server: { pid: server.pid, startToken: server.startToken },
    starter: undefined,
    machine: snapshot.machine,
    uid: undefined,
    hostname: undefined,
    port: 4096,
    portIsStated: false,
    url: undefined,
    workspace,
    workspaceHash: undefined,
    startedAt: undefined,
    state: 'ready',
    password: undefined,
    provenBy: 'start token',
    birth: {
      proof: { kind: 'unknown', because: '' },
      sessions: [origin?.session, ofHook].filter((one) => one !== undefined),
      clientPid: origin?.clientPid,
    },
    alsoIn: [],
  };
};

const isOurs = ({ owner }: Process, snapshot: Snapshot): Is =>
  snapshot.owner === undefined ? 'unknown' : is(owner, (one) => one === snapshot.owner);

const is = <T>(value: T | undefined, test: (value: T) => boolean): Is =>
  value === undefined ? 'unknown' : test(value) ? 'yes' : 'no';

const every = (answers: readonly Is[]): Is =>
  answers.includes('no') ? 'no' : answers.includes('unknown') ? 'unknown' : 'yes';
