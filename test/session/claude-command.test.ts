import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createClaudeSandbox } from '../support/claude.js';
import { claudeBinary } from '../support/claude-release.js';
import { startFake } from '../support/fake.js';
import { unlessAsked } from '../support/patience.js';
import { alive } from '../support/proc.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

const PLUGIN = fileURLToPath(new URL('../../.claude-plugin/opencode-reap', import.meta.url));
const missing = claudeBinary() ? withoutTmux : ' (skipped: the Claude Code client could not be fetched)';
const left = missing || unlessAsked;

/** A conversation is long, so only what a test asks about is taken from it. */
const resultsIn = (bodies: readonly string[]): string[] =>
  bodies.flatMap((body) => {
    const { messages = [] } = JSON.parse(body) as { messages?: { content: unknown }[] };
    const blocks = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
    return blocks.flatMap(({ type, content }) => (type === 'tool_result' ? JSON.stringify(content) : []));
  });

describe.skipIf(left)(`the plugin’s command in the real Claude Code client${left}`, () => {
  test('is known, is told where the program is, may look, and may not stop anything (with a stand-in for the server)', async () => {
    const box = await createClaudeSandbox('command');
    try {
      const server = await startFake(box);
      const call = `node "${PLUGIN}/opencode-reap.cjs"`;
      /** The stand-in for the model does what stands behind these words, as a careless one might. */
      const executed = async (words: string): Promise<string> => {
        const before = box.asked.length;
        const prompt = `/opencode-reap:opencode-reap please execute: ${call} ${words}`;
        const options = { args: ['--plugin-dir', PLUGIN], tools: ['--permission-mode', 'default'] };
        expect(await box.print(prompt, options)).toMatchObject({ code: 0 });
        const asked = box.asked.slice(before);
        expect(asked.some((body) => body.includes(`${JSON.stringify(call).slice(1, -1)} stop SERVER`))).toBe(true);
        return resultsIn(asked).at(-1) ?? '';
      };
      expect(await executed('list --all')).toMatch(new RegExp(`${server.pid} +${server.port}\\b`));
      expect(await executed(`why :${server.port}`)).toContain('did a plugin start it?');
      for (const words of [`stop :${server.port} --yes`, 'list --all; kill 1'])
        expect([words, await executed(words)]).toEqual([words, expect.stringMatching(/approval|permission/i)]);
      expect(alive(server.pid)).toBe(true);

      const terminal = await box.open({ args: ['--plugin-dir', PLUGIN] });
      await terminal.type('/opencode-reap', '/opencode-reap:opencode-reap');
      await waitFor('an answer', () => terminal.screen().includes('● hello'));
      expect(terminal.screen()).toContain('❯ /opencode-reap:opencode-reap');
      await terminal.type('/exit');
      await terminal.ended();
    } finally {
      await box.dispose();
    }
  });
});
