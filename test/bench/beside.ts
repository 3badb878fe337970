import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { portHolder } from '../support/proc.js';
import type { Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';
import { PROGRAM } from './commands.js';
import { hookAlone } from './hook.js';
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
 * What a session's end takes. Plugins' own hooks of that event do as this one, rebuilt from what they do: git for the
 * workspace, SIGTERM for the recorded pid, a second's sleep, and a question to the port.
 */
const enders = (box: Sandbox) => {
  const record = join(box.root, 'server.json');
  return {
    record,
    commands: {
      'the hook of opencode-reap': [hookAlone(box), 'hook', 'session-end'],
      'a hook as plugins have it': module(
        `import { spawnSync } from 'node:child_process'; import { readFileSync } from 'node:fs';
        spawnSync('git', ['rev-parse', '--show-toplevel']);
        process.kill(JSON.parse(readFileSync('${record}', 'utf8')).lastServerPid, 'SIGTERM');
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await fetch('http://127.0.0.1:${PORT}/global/health', { signal: AbortSignal.timeout(3000) }).catch(() => undefined);`,
      ),
    },
  };
};

/**
 * What other tools take for a part of the same. None of them looks at whose the process is, what it is doing or whether
 * it is still the same one.
 */
export async function beside(): Promise<Row[]> {
  const { box, close } = await furnish({ processes: 200 });
  const { record, commands } = enders(box);
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
    writeFileSync(record, JSON.stringify({ lastServerPid: pid }));
  };
  /** What ran before is still there. */
  const restart = async (): Promise<void> => {
    const pid = portHolder(PORT);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await start('once more');
  };
  const calls = (args: Readonly<Record<string, readonly string[]>>): Record<string, Command> => ({
    node: call(NODE),
    ...Object.fromEntries(Object.entries(args).map(([name, words]) => [name, call(words)])),
  });
  const killed = await inTurn(calls(KILLERS), ROUNDS, start);
  await start('once more');
  const looked = await inTurn(calls(LOOKERS), ROUNDS);
  const ended = await inTurn(calls(commands), rounds(5), (name) => name.startsWith('a hook') && restart());
  await close();
  return [
    ...rowsOf('ends what listens on a port', killed),
    ...rowsOf('looks at everything', looked),
    ...rowsOf('at a session’s end', ended),
  ];
}

const rowsOf = (what: string, { node, ...times }: Record<string, Spread>): Row[] =>
  Object.entries(times).flatMap(([name, time]) => (node === undefined ? [] : [ratio(`${what}: ${name}`, time, node)]));
