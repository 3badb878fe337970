import { portHolder } from '../support/proc.js';
import { waitFor } from '../support/wait.js';
import { PROGRAM } from './commands.js';
import { type Command, inTurn, NODE, ratio, rounds, type Spread } from './measure.js';
import { furnish, ROOT } from './room.js';
import type { Row } from './table.js';

const ROUNDS = rounds(20);
/** All use one port, since it stands in their command lines; it is this room's alone. */
const PORT = 24_096;

const module = (text: string): string[] => ['--input-type=module', '-e', text];
const KILLERS = {
  'opencode-reap stop': [PROGRAM, 'stop', `${PORT}`, '--yes'],
  fkill: module(`import fkill from 'fkill'; await fkill(':${PORT}', { force: true, silent: true });`),
  'kill-port': module(`import kill from 'kill-port'; await kill(${PORT});`),
};
const LOOKERS = {
  'opencode-reap list --all': [PROGRAM, 'list', '--all'],
  'ps-list and pid-port': module(
    `import psList from 'ps-list'; import { allPortsWithPid } from 'pid-port'; await Promise.all([psList(), allPortsWithPid()]);`,
  ),
};

/**
 * What other tools take for a part of the same. None of them looks at whose the process is, what it is doing or whether
 * it is still the same one.
 */
export async function beside(): Promise<Row[]> {
  const { box, close } = await furnish({ processes: 200 });
  const call = (args: readonly string[]): Command => ({
    args,
    env: box.env({ NODE_EXTRA_CA_CERTS: undefined }),
    cwd: ROOT,
  });
  const start = async (name: string): Promise<void> => {
    if (name === 'node') return;
    await waitFor('the port is free', () => portHolder(PORT) === undefined);
    const { pid } = box.spawn('opencode', ['serve', '--port', `${PORT}`], { detached: true, stdio: 'ignore' });
    await waitFor('the stand-in listens', () => portHolder(PORT) === pid);
  };
  const calls = (args: Readonly<Record<string, readonly string[]>>): Record<string, Command> => ({
    node: call(NODE),
    ...Object.fromEntries(Object.entries(args).map(([name, words]) => [name, call(words)])),
  });
  const killed = await inTurn(calls(KILLERS), ROUNDS, start);
  await start('once more');
  const looked = await inTurn(calls(LOOKERS), ROUNDS);
  await close();
  return [...rowsOf('ends what listens on a port', killed), ...rowsOf('looks at everything', looked)];
}

const rowsOf = (what: string, { node, ...times }: Record<string, Spread>): Row[] =>
  Object.entries(times).flatMap(([name, time]) => (node === undefined ? [] : [ratio(`${what}: ${name}`, time, node)]));
