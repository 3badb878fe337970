import { marksOn } from '../../decide/keep-marks.js';
import { processesOf } from '../../decide/locate.js';
import { mayBeHandedOver } from '../../decide/remedies.js';
import type { Identity } from '../../model/identity.js';
import type { KeepMark } from '../../model/record.js';
import { workspaceOf } from '../../observe/directories.js';
import { lineOf } from '../../report/log-line.js';
import { clean } from '../../report/text.js';
import { forbidding } from '../../run/find-server.js';
import { log } from '../../run/journal.js';
import { openWorld, type World } from '../../run/world.js';
import { ensureWatch } from '../../session/watch.js';
import { keep, recordFile, unkeep, writeRecord } from '../../state/ours/registry.js';
import { type Chosen, choose, forEach } from '../choose.js';
import { type Common, complain, print, printAnswers } from '../output.js';

/** What the server itself would say changes none of this. */
const POLICY = { olderThanMs: 0, unasked: true };

/** What was done, in one line; with `--json`, as fields: a list of them if several servers were named. */
interface Done {
  readonly fields: object;
  readonly line: string;
}

/** What was done, or the exit code if it was not. */
type Mark = (name: string, world: World) => Promise<Done | number>;

/** Each server on its own: one that cannot be marked leaves the others as they are. */
async function markAll(names: readonly string[], options: Common, mark: Mark): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const all: object[] = [];
  const code = await forEach(names, async (name) => {
    const done = await mark(name, world);
    if (typeof done === 'number') return done;
    all.push(done.fields);
    if (!options.json && !options.quiet) print([clean(done.line)]);
    return 0;
  });
  if (options.json) printAnswers(all, names);
  return code;
}

const known = ({ server: { record, seen } }: Chosen) => ({
  id: record.id,
  pid: (seen.located.kind === 'present' ? seen.located.server.pid : record.server?.pid) ?? null,
  port: record.port ?? null,
});

/**
 * Marks a server to be left alone. A server without a record is left alone anyway, but a plugin may still record it
 * later.
 */
export const keepCommand = (names: readonly string[], options: Common): Promise<number> =>
  markAll(names, options, keepOne);

async function keepOne(name: string, world: World): Promise<Done | number> {
  const chosen = await choose(name, POLICY, world);
  if (typeof chosen === 'number') return chosen;
  const { id } = chosen.server.record;
  const processes = processesOf(chosen.server.seen.located).map(identityOf);
  keep(world.folder, { id, processes, machine: chosen.server.survey.snapshot.machine });
  log(world, [lineOf(chosen.server, 'kept', `until opencode-reap unkeep ${id}`)]);
  return { fields: { ...known(chosen), kept: true }, line: `${id} is kept until opencode-reap unkeep ${id}` };
}

/** Removes every mark that keeps the server, whatever the server's id was then and whichever folder the mark is in. */
export const unkeepCommand = (names: readonly string[], options: Common): Promise<number> =>
  markAll(names, options, unkeepOne);

async function unkeepOne(name: string, world: World): Promise<Done | number> {
  const chosen = await choose(name, POLICY, world);
  if (typeof chosen === 'number') return chosen;
  const { record } = chosen.server;
  const { id } = record;
  const { written, snapshot } = chosen.server.survey;
  const marks = marksOn(chosen.server, written.kept, snapshot);
  const because = stillKept(chosen, marks);
  if (marks.length > 0 && because.length === 0)
    log(world, [lineOf(chosen.server, 'unkept', 'its keep mark was removed')]);
  for (const [error, hint] of because) complain(`${id} is still kept: ${error}`, hint);
  if (because.length > 0) return 1;
  return { fields: { ...known(chosen), kept: false }, line: `${id} is no longer kept` };
}

/** What still keeps the server after its marks were removed, each with the next step. */
function stillKept({ server: { seen, survey } }: Chosen, marks: readonly KeepMark[]): [error: string, hint: string][] {
  const { written, snapshot } = survey;
  const left = marks.flatMap((mark): [string, string][] => {
    const error = unkeep(mark);
    return error === undefined ? [] : [[`could not remove ${mark.file}: ${error}`, 'remove that file']];
  });
  const unread = written.unread.flatMap(({ kind, file, error }): [string, string][] =>
    kind === 'keep' ? [[`could not read ${file}: ${error}`, 'fix it, or remove it if nothing uses it']] : [],
  );
  const server = seen.located.kind === 'present' ? seen.located.server.pid : undefined;
  const asks = server !== undefined && snapshot.environments.get(server)?.keep;
  return [...left, ...unread, ...(asks ? [BY_ITS_ENVIRONMENT] : [])];
}

const BY_ITS_ENVIRONMENT: [string, string] = [
  'it was started with OPENCODE_REAP=keep',
  'start it without that variable, or end it with opencode-reap stop',
];

const identityOf = ({ pid, startToken }: Identity): Identity => ({ pid, startToken });

/** Declares that a running server may be reaped from now on. */
export const adoptCommand = (names: readonly string[], options: Common): Promise<number> =>
  markAll(names, options, adoptOne);

async function adoptOne(name: string, world: World): Promise<Done | number> {
  const chosen = await choose(name, { ...POLICY, meansProcess: true }, world);
  if (typeof chosen === 'number') return chosen;
  const refusal = whyNotAdopt(chosen);
  if (refusal) {
    complain(`${name} was not adopted: ${refusal}`, `opencode-reap why ${name} shows what was seen`);
    return 1;
  }
  const id = adopt(chosen, world);
  const { record, seen } = chosen.server;
  log(world, [lineOf({ record: { ...record, id }, seen }, 'adopted', 'it may be reaped from now on')]);
  await ensureWatch(process.argv[1], undefined, world);
  const file = recordFile(world.folder, id);
  const adopted = { ...known(chosen), id, adopted: true, record: file };
  return { fields: adopted, line: `${id} may be reaped from now on, recorded in ${file}` };
}

function whyNotAdopt(chosen: Chosen): string | undefined {
  const { record, seen } = chosen.server;
  const forbids = forbidding(chosen);
  if (forbids) return forbids.detail;
  if (seen.sharedDaemon !== 'no') return 'it is a shared daemon, or may be one';
  return mayBeHandedOver(seen) ? undefined : `it is already recorded as ${record.id}`;
}

function adopt({ server: { record, seen, survey } }: Chosen, world: World): string {
  const { snapshot } = survey;
  const us = snapshot.processes?.get(snapshot.self);
  if (seen.located.kind !== 'present' || us === undefined) throw new Error('an identified server was not seen');
  const { server, launcher } = seen.located;
  const id = `adopted-${server.pid}-${server.startToken}`;
  const hostname = '127.0.0.1';
  writeRecord(world.folder, {
    id,
    startedByPlugin: false,
    adopted: true,
    plugin: 'opencode-reap adopt',
    tag: undefined,
    starter: identityOf(us),
    spawned: identityOf(launcher?.startToken === undefined ? server : launcher),
    server: identityOf(server),
    machine: snapshot.machine,
    uid: process.getuid?.(),
    hostname,
    port: record.port,
    command: ['opencode', 'serve'],
    workspace: workspaceOf(record.workspace ?? '/'),
    startedBySession: undefined,
    startedAt: record.startedAt ?? Date.now(),
    state: 'ready',
  });
  return id;
}
