import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { stateFolder } from '../../src/state/folders.js';
import { addNotice } from '../../src/state/ours/notice.js';
import { createClaudeSandbox } from '../support/claude.js';
import { hookSettings, writeUserSettings } from '../support/claude-hooks.js';
import { claudeBinary, OLD_CLAUDE } from '../support/claude-release.js';
import { unlessAsked } from '../support/patience.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

for (const [release, binary] of [
  ['of today', claudeBinary()],
  [OLD_CLAUDE, claudeBinary(OLD_CLAUDE)],
] as const) {
  const why = release === OLD_CLAUDE ? '230 MB, fetched with EVERY_RELEASE=1' : 'it could not be fetched';
  const missing = binary ? withoutTmux || unlessAsked : ` (skipped: ${why})`;
  describe.skipIf(missing)(`the real Claude Code client ${release}${missing}`, () => {
    test('shows a notice to the person, once, and none of it to the model', async () => {
      const box = await createClaudeSandbox('notice', binary);
      try {
        const folder = stateFolder(box.stateDir);
        addNotice(folder, { stopped: 3, bytes: 671_088_640, ports: [4096, 4197], left: [] }, []);
        await writeUserSettings(box.home, hookSettings(4096));
        // No person sees what a printing session is told, so it is told nothing.
        expect(await box.print('hi')).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
        expect(existsSync(folder.notice)).toBe(true);

        const terminal = await box.open();
        const said =
          'SessionStart:startup says: opencode-reap: stopped 3 servers that no session used, 640 MB and ports';
        await waitFor('the notice', () => terminal.screen().includes(said));
        await terminal.type('good morning');
        await waitFor('an answer', () => terminal.screen().includes('● hello'));
        await terminal.type('/exit');
        await terminal.ended();
        expect(existsSync(folder.notice)).toBe(false);
        expect(box.asked.some((body) => body.includes('good morning'))).toBe(true);
        // Each is long, so none is printed.
        expect(box.asked.filter((body) => /no session used|640 MB|systemMessage/.test(body)).length).toBe(0);

        const next = await box.open();
        await next.type('good night');
        await waitFor('an answer', () => next.screen().includes('● hello'));
        expect(next.screen()).not.toContain('says:');
        await next.type('/exit');
        await next.ended();
      } finally {
        await box.dispose();
      }
    });
  });
}
