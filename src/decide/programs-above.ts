import type { Process } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';

/** A program that says whose everything below it is. */
export interface ProgramAbove {
  readonly is: 'claude' | 'other';
  readonly name: string;
  readonly pid: number;
}

/**
 * By what the kernel calls them, which is at most 15 characters. A process may call itself anything: then it says
 * something wrong, and spares what it started.
 */
const PROGRAMS: readonly (readonly [RegExp, string])[] = [
  [/^tmux: server/, 'tmux'],
  [/^(screen|SCREEN)$/, 'screen'],
  [/^zellij/, 'zellij'],
  [/^\.?n?vim(-wrapped|-qt)?$/, 'Neovim'],
  [/^emacs/, 'Emacs'],
  [/^(code|code-insiders|code - insiders|code-oss|codium|vscodium|code-server)$/i, 'VS Code'],
  [/^cursor$/i, 'Cursor'],
  [/^windsurf$/i, 'Windsurf'],
  [/^(zed|zed-editor)$/, 'Zed'],
  [/^(idea|webstorm|pycharm|goland|rider|phpstorm|rubymine|clion|rustrover)(64)?(\.sh)?$/, 'JetBrains'],
  [/^(opencode-deskto.*|opencode-electron|@opencode.*)$/i, 'OpenCode Desktop'],
  [/^openchamber/i, 'OpenChamber'],
  [/^kimaki/, 'Kimaki'],
  [/^(supervisord|runsv|s6-supervise|PM2 .*|pm2.*|circusd|monit)$/, 'a supervisor'],
];

/** The nearest one above a process that has not ended. */
export function programAbove(process: Process, { processes }: Snapshot): ProgramAbove | undefined {
  const seen = new Set<number>([process.pid]);
  for (let at = processes?.get(process.parent); at && !seen.has(at.pid); at = processes?.get(at.parent)) {
    seen.add(at.pid);
    const { name, pid, claude } = at;
    if (claude === 'session' || claude === 'spare') return { is: 'claude', name: 'Claude Code', pid };
    const known = PROGRAMS.find(([pattern]) => pattern.test(name.replace(/\.exe$/i, '')));
    if (known) return { is: 'other', name: known[1] === 'a supervisor' ? name : known[1], pid };
  }
  return undefined;
}
