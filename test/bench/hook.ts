import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../support/fake.js';
import { startToken } from '../support/proc.js';
import type { Sandbox } from '../support/sandbox.js';
import { type Command, inTurn, NODE, peakKilobytes, ratio, rounds } from './measure.js';
import { furnish, ROOT } from './room.js';
import type { Row } from './table.js';

const ROUNDS = rounds(40);
const SAID = JSON.stringify({ session_id: 'session', cwd: '/', source: 'startup', reason: 'other' });

/** The hook beside a program that ends at once: what a run does is not the hook's time, but it has the same two cores. */
export function hookAlone({ root }: Sandbox): string {
  const folder = join(root, 'alone');
  mkdirSync(folder);
  cpSync(join(ROOT, 'dist/hook.cjs'), join(folder, 'hook.cjs'));
  writeFileSync(join(folder, 'opencode-reap.cjs'), '');
  return join(folder, 'hook.cjs');
}

/** As long as a live process claims to be the background run, no hook starts one. */
function claim({ stateDir }: Sandbox): void {
  const holder = { pid: process.pid, startToken: startToken(process.pid) };
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  writeFileSync(
    join(stateDir, 'sweep.json'),
    JSON.stringify({ schema: 'opencode-reap/1', holder, machine: machine() }),
  );
}

async function withRecords(records: number): Promise<Row[]> {
  const { box, close } = await furnish({ records });
  const call = (args: readonly string[]): Command => ({
    args,
    env: box.env({ NODE_EXTRA_CA_CERTS: undefined }),
    input: SAID,
  });
  const file = hookAlone(box);
  const commands = {
    node: call(NODE),
    start: call([file, 'hook', 'session-start']),
    end: call([file, 'hook', 'session-end']),
    vendored: call([join(ROOT, 'dist/opencode-reap.mjs'), 'hook', 'session-start']),
  };
  const runs = { node: commands.node, start: commands.start, end: commands.end };
  claim(box);
  const without = await inTurn(commands, ROUNDS);
  const memory = peakKilobytes(commands.start) / peakKilobytes(commands.node);
  const withRun = await inTurn(runs, ROUNDS, () => rmSync(join(box.stateDir, 'sweep.json'), { force: true }));
  await close();
  const of = `${records} records`;
  return [
    ratio(`session-start, ${of}`, without.start, without.node, 1.12),
    ratio(`session-end, ${of}`, without.end, without.node, 1.12),
    ratio(`session-start that starts a run, ${of}`, withRun.start, withRun.node, 1.35),
    ratio(`session-end that starts a run, ${of}`, withRun.end, withRun.node, 1.35),
    ratio(`the vendored file's session-start, ${of}`, without.vendored, without.node, 1.3),
    { what: `session-start, peak memory, ${of}`, value: memory, unit: 'x', limit: 1.1 },
  ];
}

export const hook = async (): Promise<Row[]> => [...(await withRecords(0)), ...(await withRecords(1_000))];
