import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inTurn, NODE, rounds } from './measure.js';
import { type Furniture, furnish, ROOT } from './room.js';
import type { Row } from './table.js';

/*
 * Where the time of whole commands goes: V8's own profile of each of several runs, by the module of ours that was at work,
 * scaled to what the command takes without a profiler.
 */

const ROUNDS = rounds(12);
const DRY_RUN = ['--dry-run', '--all-stale'];

interface Case {
  readonly what: string;
  readonly furniture: Furniture;
  readonly args: readonly string[];
  readonly input?: string;
}

const CASES: readonly Case[] = [
  {
    what: 'session-start that starts a run',
    furniture: {},
    args: ['hook', 'session-start'],
    input: '{"session_id":"session","cwd":"/","source":"startup"}',
  },
  { what: 'dry run, no record, 200 processes', furniture: { processes: 200 }, args: DRY_RUN },
  { what: 'dry run, 3 live servers', furniture: { processes: 200, live: 3 }, args: DRY_RUN },
  { what: 'dry run, 3 live servers, 5,000 processes', furniture: { processes: 5_000, live: 3 }, args: DRY_RUN },
  { what: 'dry run, 1,000 records', furniture: { processes: 200, records: 1_000 }, args: DRY_RUN },
];

/** The first that fits a module's path says what it is at work on. */
const WORK: readonly (readonly [RegExp, string])[] = [
  [/^node_modules\/commander|^src\/(cli|entries)\//, 'commands and options'],
  [/^src\/report\/|^node_modules\/chalk/, 'what is printed'],
  [/^src\/observe\//, 'processes, connections, folders'],
  [/^src\/state\//, 'records, leases, plugins’ folders'],
  [/^src\/(session|act)\//, 'what sessions and runs leave, and starts'],
  [/^src\/(decide|model)\//, 'judging'],
  [/^src\//, 'the steps between'],
];

export async function profile(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'opencode-reap-profile-'));
  execFileSync(process.execPath, [join(ROOT, 'build/build.mjs'), 'readable', folder], { cwd: ROOT });
  const rows: Row[] = [];
  for (const one of CASES) rows.push(...(await profiled(one, folder)));
  rmSync(folder, { recursive: true });
  return rows;
}

async function profiled({ what, furniture, args, input = '' }: Case, folder: string): Promise<Row[]> {
  const { box, close } = await furnish(furniture);
  const program = args[0] === 'hook' ? join(folder, 'hook.cjs') : join(folder, 'parts/program.cjs');
  // What the hook starts is not its time.
  writeFileSync(join(folder, 'opencode-reap.cjs'), '');
  const profiles = join(folder, 'profiles');
  mkdirSync(profiles);
  const env = box.env({ NODE_EXTRA_CA_CERTS: undefined });
  const written = ['--cpu-prof', '--cpu-prof-interval', '100', '--cpu-prof-dir', profiles];
  const { node, ours } = await inTurn(
    {
      node: { args: NODE, env },
      ours: { args: [program, ...args], env, input },
      watched: { args: [...written, program, ...args], env, input },
    },
    ROUNDS,
  );
  await close();
  const byWork = new Map<string, number>();
  for (const name of readdirSync(profiles)) addTo(byWork, JSON.parse(readFileSync(join(profiles, name), 'utf8')));
  rmSync(profiles, { recursive: true });
  const all = [...byWork.values()].reduce((sum, one) => sum + one, 0);
  const rows = [...byWork]
    .sort(([, one], [, other]) => other - one)
    .map(([work, time]) => ({ what: `  ${work}`, value: (time / all) * ours.median, unit: 'ms' as const }))
    .filter(({ value }) => value >= 0.2);
  const ratio = (ours.median / node.median).toFixed(2);
  return [{ what: `${what} (${ratio} x)`, value: ours.median, unit: 'ms' }, ...rows];
}

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

/** As V8 writes it: the times, in microseconds, are of the samples. */
interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame; readonly children?: readonly number[] }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

function addTo(byWork: Map<string, number>, { nodes, samples, timeDeltas }: Profile): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const above = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const known = new Map<number, string>();
  const workOf = (id: number): string => {
    const lineage: Frame[] = [];
    for (let at: number | undefined = id; at !== undefined; at = above.get(at)) lineage.push(frames.get(at) as Frame);
    return workIn(lineage);
  };
  samples.forEach((id, at) => {
    const work = known.get(id) ?? workOf(id);
    known.set(id, work);
    byWork.set(work, (byWork.get(work) ?? 0) + (timeDeltas[at] ?? 0));
  });
}

/** By the frames, the innermost first. */
function workIn(lineage: readonly Frame[]): string {
  const [inner] = lineage;
  if (inner?.functionName === '(garbage collector)') return 'collecting garbage';
  const ours = lineage.findIndex(({ url }) => url.includes('opencode-reap-profile-'));
  const inside = ours < 0 ? lineage : lineage.slice(0, ours);
  const loads = (name: string): boolean => inside.some(({ functionName }) => functionName === name);
  if (loads('wrapSafe') || loads('Module._load'))
    return loads('loadBuiltinModule') ? 'node’s modules' : 'reading our code';
  if (loads('compileForInternalLoader')) return ours < 0 ? 'node itself' : 'node’s modules';
  const frame = lineage[ours];
  if (frame === undefined) return 'node itself';
  const path = moduleAt(frame);
  return WORK.find(([fits]) => fits.test(path))?.[1] ?? 'the steps between';
}

const sources = new Map<string, readonly string[]>();

/** The bundler puts the path of each module above what it takes from it. */
function moduleAt({ url, lineNumber }: Frame): string {
  const file = url.replace('file://', '');
  const lines = sources.get(file) ?? readFileSync(file, 'utf8').split('\n');
  sources.set(file, lines);
  for (let at = lineNumber; at >= 0; at -= 1) {
    const path = /^\s*\/\/ ((src|node_modules|build)\/\S+)$/.exec(lines[at] ?? '')?.[1];
    if (path !== undefined) return path;
  }
  return '';
}
