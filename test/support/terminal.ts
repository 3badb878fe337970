import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
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
