// `npm run pictures`: draws docs/pictures/*.svg from a real run of the demonstration in a terminal (tmux).
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { drawing } from './drawing.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What a page of GitHub shows without making it smaller than its text. */
const COLUMNS = 100;
const ROWS = 60;
/** A minute is long for what takes ten seconds. */
const LONGEST_S = 60;

const folder = mkdtempSync(join(tmpdir(), 'opencode-reap-pictures-'));
const tmux = (...args) =>
  execFileSync('tmux', ['-S', join(folder, 'tmux'), '-f', '/dev/null', ...args], {
    cwd: ROOT,
    env: { ...process.env, TERM: 'xterm-256color', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' },
    encoding: 'utf8',
  });

/** What the terminal shows at the end, with the sequences that color it. */
async function screenOf(command) {
  // The second command keeps the terminal, and with it what it shows.
  tmux(
    'new-session',
    '-d',
    '-x',
    String(COLUMNS),
    '-y',
    String(ROWS),
    `${command}; tmux wait-for -S done; sleep ${LONGEST_S}`,
  );
  execFileSync('timeout', [String(LONGEST_S), 'tmux', '-S', join(folder, 'tmux'), 'wait-for', 'done']);
  await sleep(200);
  return tmux('capture-pane', '-p', '-e', '-S', '-');
}

try {
  const screen = await screenOf(`${process.execPath} test/demo/run.mjs`);
  mkdirSync(join(ROOT, 'docs/pictures'), { recursive: true });
  for (const theme of ['light', 'dark'])
    writeFileSync(join(ROOT, `docs/pictures/session-${theme}.svg`), drawing(screen, COLUMNS, theme));
} finally {
  tmux('kill-server');
  rmSync(folder, { recursive: true, force: true });
}
