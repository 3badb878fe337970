import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { hookSettings, writeUserSettings } from '../support/claude-hooks.js';
import { test, withoutClaude } from '../support/claude-session.js';
import { unlessAsked } from '../support/patience.js';
import { alive } from '../support/proc.js';

const ENDINGS = ['a closed terminal', 'SIGTERM'] as const;

describe.skipIf(withoutClaude || unlessAsked)(
  `a session of the real Claude Code client that ends${withoutClaude}${unlessAsked}`,
  { concurrent: true },
  () => {
    test('by SIGKILL takes nothing with it; the next session, elsewhere, finds what it left', async ({ client }) => {
      const { box } = client;
      const elsewhere = await box.addProject('elsewhere');
      const killed = await box.open();
      await killed.execute(client.start);
      const pid = await client.started();
      process.kill(killed.pid, 'SIGKILL');
      await client.isLeftAlone(pid);
      await writeUserSettings(box.home, hookSettings(await box.reserve()));
      const next = await box.open({ cwd: elsewhere });
      await client.isGone();
      expect(alive(next.pid)).toBe(true);
    });

    for (const how of ENDINGS) {
      test(`by ${how} takes its server`, async ({ client }) => {
        const terminal = await client.box.open();
        await terminal.execute(client.start);
        await client.started();
        if (how === 'SIGTERM') process.kill(terminal.pid, 'SIGTERM');
        else terminal.close();
        await terminal.ended();
        await client.isGone();
      });
    }

    test('to resume another one leaves its server, and takes it when that one ends', async ({ client }) => {
      const { box } = client;
      await box.print('hello');
      const [folder = ''] = readdirSync(join(box.home, '.claude/projects'));
      const [transcript = ''] = readdirSync(join(box.home, '.claude/projects', folder));
      const terminal = await box.open();
      await terminal.execute(client.start);
      const pid = await client.started();
      await terminal.type(`/resume ${transcript.replace('.jsonl', '')}`);
      await client.isLeftAlone(pid);
      await terminal.type('/exit');
      await terminal.ended();
      await client.isGone();
    });
  },
);
