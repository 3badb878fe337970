import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from '../support/claude.js';
import { claudeBinary } from '../support/claude-release.js';
import { runCli } from '../support/cli.js';
import { startFake, writeRecord } from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { unlessAsked } from '../support/patience.js';
import { alive, cmdline } from '../support/proc.js';
import { waitFor } from '../support/wait.js';

const missing = claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : '';
const left = missing || unlessAsked;

describe.skipIf(left)(`a background session of the real Claude Code client${left}`, () => {
  let box: ClaudeSandbox;
  beforeEach(async () => {
    box = await createClaudeSandbox('background');
  });
  afterEach(async () => {
    await box.dispose();
    // Where the daemon has its sockets, whatever TMPDIR says.
    const account = createHash('sha256').update(join(box.home, '.claude')).digest('hex').slice(0, 8);
    rmSync(`/tmp/cc-daemon-${process.getuid?.()}/${account}`, { recursive: true, force: true });
  });

  test('holds its workspace until it is stopped, and its daemon and spares hold nothing: with stand-ins for servers', async () => {
    const [its, other] = [await startFake(box), await startFake(box)];
    const elsewhere = join(box.home, 'code/shop');
    mkdirSync(elsewhere, { recursive: true });
    await writeRecord(box, 'its', its);
    // The daemon works in the home folder, and what is below that is near it.
    await writeRecord(box, 'other', other, { workspace: elsewhere });
    const verdicts = async (): Promise<Record<string, string>> => {
      const { stdout } = await runCli(box, ['list', '--older-than', '0s', '--json'], { cwd: elsewhere });
      const { servers } = JSON.parse(stdout) as { servers: { id: string; verdict: string; reasons: string[] }[] };
      return Object.fromEntries(servers.map(({ id, verdict, reasons }) => [id, [verdict, ...reasons].join(' ')]));
    };
    const claude = (...args: string[]) =>
      spawnSync(join(box.binDir, 'claude'), args, {
        cwd: box.project,
        env: box.env(),
        encoding: 'utf8',
        timeout: 30_000,
      });

    const begun = claude('--bg', 'hello');
    expect(begun, begun.stderr).toMatchObject({ status: 0 });
    const id = /claude stop (\w+)/.exec(begun.stdout)?.[1] ?? begun.stdout;
    const sessions = join(box.home, '.claude/sessions');
    const listed = (): string[] =>
      (existsSync(sessions) ? readdirSync(sessions) : []).filter((name) => /^\d+\.json$/.test(name));
    await waitFor('the session is listed', () => listed().length > 0);
    const commands = (): string[] => inhabitants(box).map((pid) => cmdline(pid).join(' '));
    // How many spares it keeps beside them depends on the machine's free memory.
    expect(commands().some((command) => / daemon run /.test(command))).toBe(true);
    expect(commands().some((command) => command.startsWith('claude bg-pty-host'))).toBe(true);
    expect(await verdicts()).toEqual({ its: 'spared unleased', other: 'stale' });

    const [session = 0] = listed().map((name) => Number.parseInt(name, 10));
    expect(claude('stop', id)).toMatchObject({ status: 0 });
    await waitFor('the end of the session', () => !alive(session));
    expect(commands().some((command) => / daemon run /.test(command))).toBe(true);
    expect(await verdicts()).toEqual({ its: 'stale', other: 'stale' });
  });
});
