import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { PROGRAM } from './program.js';
import type { Changes, Sandbox } from './sandbox.js';

/** A program at a terminal of its own. */
export interface Terminal {
  readonly screen: () => string;
  /** As they are typed; tmux names keys such as `Tab` and `Enter`. */
  readonly keys: (...keys: string[]) => void;
}

let opened = 0;

/** Opens a terminal, wide enough that nothing wraps. It ends with the sandbox, or by `close`. */
export const openTerminal = (sandbox: Sandbox, command: string, env: Changes): Terminal & { close: () => void } => {
  const options = { env: sandbox.env({ TERM: 'xterm', ...env }), cwd: sandbox.project, encoding: 'utf8' } as const;
  opened += 1;
  // One that is closing would take the next one with it.
  const socket = join(sandbox.root, `tmux-${opened}`);
  const tmux = (...args: string[]) => execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], options);
  tmux('new-session', '-d', '-x', '140', '-y', '50', command);
  return {
    screen: () => tmux('capture-pane', '-p').trimEnd(),
    keys: (...keys) => void tmux('send-keys', ...keys),
    close: () => void tmux('kill-server'),
  };
};

/** Runs the program in a terminal of its own, with what was there before, and the exit code after. */
export const runOnTerminal = (
  sandbox: Sandbox,
  words: string,
  { env = {}, columns = 100 }: { readonly env?: Record<string, string>; readonly columns?: number } = {},
) => {
  opened += 1;
  const socket = join(sandbox.root, `tmux-${opened}`);
  const options = { cwd: sandbox.project, env: sandbox.env({ TERM: 'xterm', ...env }), encoding: 'utf8' } as const;
  const tmux = (...args: string[]) => execFileSync('tmux', ['-S', socket, ...args], options).trim();
  const command = `trap : INT; export TERM=${env.TERM ?? '$TERM'}; echo before; "${process.execPath}" "${PROGRAM}" ${words}; echo "code $?"; sleep 60`;
  tmux('-f', '/dev/null', 'new-session', '-d', '-x', `${columns}`, '-y', '20', command);
  return {
    tmux,
    keys: (...keys: string[]) => void tmux('send-keys', ...keys),
    screen: () => tmux('capture-pane', '-p'),
    /** Whether the other screen is shown, the cursor is, and long lines are wrapped. */
    modes: () => tmux('display-message', '-p', '#{alternate_on} #{cursor_flag} #{wrap_flag}'),
    /** The shell that runs it. */
    pid: () => Number(tmux('display-message', '-p', '#{pane_pid}')),
  };
};
