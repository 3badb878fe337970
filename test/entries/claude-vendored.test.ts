import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from '../support/claude.js';
import { claudeBinary } from '../support/claude-release.js';
import { runCli } from '../support/cli.js';
import { installOpencode } from '../support/opencode.js';
import { unlessAsked } from '../support/patience.js';
import { alive, portHolder } from '../support/proc.js';
import { reapJson } from '../support/reaped.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

const BUILT = fileURLToPath(new URL('../../dist/opencode-reap.mjs', import.meta.url));
const missing = claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : withoutTmux;
const left = missing || unlessAsked;

/** Linger, the client's end and one look, on a machine that is busy with other tests. */
const SOON_MS = 20_000;

describe.skipIf(left)(`a plugin of one vendored file and two hooks${left}`, () => {
  let box: ClaudeSandbox;
  let plugin: string;

  const write = (path: string, json: object): void => {
    mkdirSync(join(plugin, path, '..'), { recursive: true });
    writeFileSync(join(plugin, path), JSON.stringify(json));
  };
  const handler = (word: string) => ({
    type: 'command',
    // As our page for plugin authors has it.
    command: `node "\${CLAUDE_PLUGIN_ROOT}/scripts/opencode-reap.mjs" hook ${word} >/dev/null 2>&1 || true`,
    timeout: 5,
  });

  beforeEach(async () => {
    box = await createClaudeSandbox('vendored');
    await installOpencode(box, 'native');
    plugin = join(box.root, 'throw-away');
    write('.claude-plugin/plugin.json', { name: 'throw-away', version: '1.0.0', description: 'starts a server' });
    const hooksOf = (word: string) => [{ hooks: [handler(word)] }];
    write('hooks/hooks.json', {
      hooks: { SessionStart: hooksOf('session-start'), SessionEnd: hooksOf('session-end') },
    });
    mkdirSync(join(plugin, 'scripts'));
    copyFileSync(BUILT, join(plugin, 'scripts/opencode-reap.mjs'));
  });
  afterEach(() => box.dispose());

  test('has a server that lives while its session does, and is gone after it without help', async () => {
    const port = await box.reserve();
    // Of a workspace of its own: only the lease that names it holds it for the session.
    const asked = `{port: ${port}, workspace: '${await box.addProject('other')}', plugin: 'throw-away'}`;
    const script = `import('${plugin}/scripts/opencode-reap.mjs').then(reap => reap.ensureServer(${asked}))`;
    const session = await box.open({ args: ['--plugin-dir', plugin] });
    await session.execute(`node -e "${script}"`);
    const pid = portHolder(port) ?? 0;
    expect(alive(pid)).toBe(true);
    const { servers } = await reapJson(box, ['--all-stale', '--older-than', '0s']);
    const holder = expect.objectContaining({ holderPid: session.pid, live: true });
    expect(servers).toMatchObject([
      { serverPid: pid, plugin: 'throw-away', verdict: 'spared', reasons: ['unleased'], leases: [holder] },
    ]);
    expect(alive(pid)).toBe(true);
    await session.type('/exit');
    await session.ended();
    await waitFor('the end of the server', () => !alive(pid), SOON_MS);
    await waitFor('the end of the background run', () => !readdirSync(box.stateDir).includes('sweep.json'));
    expect(readdirSync(join(box.stateDir, 'servers'))).toEqual([]);
    expect(session.screen()).not.toMatch(/hook/i);
    // What the page tells its reader to look for.
    expect((await runCli(box, ['log'])).stdout).toMatch(/ hook +stopped .* throw-away .*\n +owned: .*; unkept: /);
  });
});
