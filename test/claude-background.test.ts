import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createClaudeSandbox } from './support/claude.js';
import { claudeBinary } from './support/claude-release.js';
import { runCli } from './support/cli.js';
import { startFake, writeRecord } from './support/fake.js';
import { inhabitants } from './support/inhabitants.js';
import { alive, cmdline } from './support/proc.js';
import { waitFor } from './support/wait.js';

const missing = claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : '';

describe.skipIf(missing)(`a background session of the real Claude Code client${missing}`, () => {
  test('holds its workspace until it is stopped, and its daemon and spares hold nothing: with stand-ins for servers', async () => {
    const box = await createClaudeSandbox('background');
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
    const listed = (): string[] =>
      readdirSync(join(box.home, '.claude/sessions')).filter((name) => /^\d+\.json$/.test(name));
    await waitFor('the session is listed', () => listed().length > 0);
    const commands = (): string[] => inhabitants(box).map((pid) => cmdline(pid).join(' '));
    await waitFor(
      'a spare is ready',
      () => commands().filter((command) => command.startsWith('claude bg-spare')).length > 1,
    );
    expect(commands().some((command) => / daemon run /.test(command))).toBe(true);
    expect(commands().some((command) => command.startsWith('claude bg-pty-host'))).toBe(true);
    expect(await verdicts()).toEqual({ its: 'spared unleased', other: 'stale' });

    const [session = 0] = listed().map((name) => Number.parseInt(name, 10));
    expect(claude('stop', id)).toMatchObject({ status: 0 });
    await waitFor('the end of the session', () => !alive(session));
    expect(commands().some((command) => / daemon run /.test(command))).toBe(true);
    expect(await verdicts()).toEqual({ its: 'stale', other: 'stale' });
    await box.dispose();
  });
});
