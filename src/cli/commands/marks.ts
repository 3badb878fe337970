import type { Evidence } from '../../decide/evidence.js';
import { marksOn } from '../../decide/keep-marks.js';
import { processesOf } from '../../decide/locate.js';
import { mayBeHandedOver } from '../../decide/remedies.js';
import type { Identity } from '../../model/identity.js';
import { ADOPTED_BY, type KeepMark } from '../../model/record.js';
import type { Snapshot } from '../../model/snapshot.js';
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
  const { written, snapshot } = chosen.server.survey;
  const wasKept = marksOn(chosen.server, written.kept, snapshot).some(({ means }) => means === 'same');
  // Written again all the same: an older mark may not name the processes that are there now.
  const processes = processesOf(chosen.server.seen.located).map(identityOf);
  keep(world.folder, { id, processes, machine: snapshot.machine });
  const until = `until opencode-reap unkeep ${id}`;
  if (!wasKept) log(world, [lineOf(chosen.server, 'kept', until)]);
  return { fields: { ...known(chosen), kept: true }, line: `${id} is ${wasKept ? 'already ' : ''}kept ${until}` };
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
  const line = `${id} ${marks.length > 0 ? 'is no longer kept' : 'was not kept'}`;
  return { fields: { ...known(chosen), kept: false }, line };
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
  const asks: [string, string][] = asksForIt(seen, snapshot)
    ? [[BY_ITS_ENVIRONMENT, 'start it without that variable, or end it with opencode-reap stop']]
    : [];
  return [...left, ...unread, ...asks];
}

const BY_ITS_ENVIRONMENT = 'it was started with OPENCODE_REAP=keep';

const asksForIt = ({ located }: Evidence, { environments }: Snapshot): boolean =>
  located.kind === 'present' && environments.get(located.server.pid)?.keep === true;

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
  const { record, seen, survey } = chosen.server;
  const isNew = mayBeHandedOver(seen);
  const id = isNew ? adopt(chosen, world) : record.id;
  const file = isNew ? recordFile(world.folder, id) : record.source.file;
  const kept = whyKept(seen, survey.snapshot, id);
  const then = kept ?? 'it may be reaped from now on';
  if (isNew) log(world, [lineOf({ record: { ...record, id }, seen }, 'adopted', then)]);
  await ensureWatch(process.argv[1], undefined, world);
  const line =
    kept === undefined
      ? `${id} may ${isNew ? 'be reaped from now on' : 'already be reaped'}, recorded in ${file}`
      : `${id} is ${isNew ? '' : 'already '}recorded in ${file}, but ${kept}`;
  const isKept = seen.kept === 'unknown' ? null : seen.kept === 'yes';
  return { fields: { ...known(chosen), id, adopted: true, kept: isKept, record: file }, line };
}

/** Why it is left alone although it is recorded. */
function whyKept(seen: Evidence, snapshot: Snapshot, id: string): string | undefined {
  if (seen.kept === 'no') return undefined;
  if (seen.kept === 'unknown') return 'may be kept: the keep marks could not be read';
  return asksForIt(seen, snapshot)
    ? `stays kept: ${BY_ITS_ENVIRONMENT}`
    : `stays kept until opencode-reap unkeep ${id}`;
}

function whyNotAdopt(chosen: Chosen): string | undefined {
  const { record, seen, verdict } = chosen.server;
  const forbids = forbidding(chosen);
  if (forbids) return forbids.detail;
  if (seen.sharedDaemon !== 'no') return 'it is a shared daemon, or may be one';
  const isOwned = verdict.guards.some(({ name, outcome }) => name === 'owned' && outcome === 'pass');
  return isOwned || mayBeHandedOver(seen) ? undefined : `it is already recorded as ${record.id}`;
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
    plugin: ADOPTED_BY,
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
