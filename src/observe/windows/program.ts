import { readFileSync, statSync } from 'node:fs';
import { tryRead } from '../../common/errors.js';
import type { Startable } from '../platform.js';
import { systemRoot } from './tools.js';

export interface Disk {
  /** Undefined where nothing is, or where it cannot be looked at. */
  readonly isFile: (path: string) => boolean | undefined;
  readonly read: (path: string) => string | undefined;
}

const disk: Disk = {
  isFile: (path) => tryRead(() => statSync(path).isFile()),
  read: (path) => tryRead(() => readFileSync(path, 'utf8')),
};

/**
 * What a command means, as cmd.exe finds it, but never in the current directory. Windows itself starts only an `.exe` by
 * its name, and npm puts an `opencode.cmd` on the PATH: where that leads to an `.exe`, the server is started without a
 * shell between. Undefined when there is no such program.
 */
export function startable(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { isFile, read }: Disk = disk,
): Startable | undefined {
  const found = candidates(command, env).find(isFile);
  if (found === undefined) return undefined;
  if (!/\.(cmd|bat)$/i.test(found)) return { command: found, args, isLine: false };
  const inside = SHIM.exec(read(found) ?? '')?.[1];
  const target = inside && below(found.slice(0, found.lastIndexOf('\\')), inside);
  if (target && isFile(target)) return { command: target, args, isLine: false };
  // Nothing in it may mean anything to cmd.exe, which has no quoting that always holds.
  if (![found, ...args].every((word) => /^[\w .:\\/~@()[\]-]+$/.test(word))) return undefined;
  const line = [found, ...args].map((word) => `"${word}"`).join(' ');
  const shell = `${systemRoot(env)}\\System32\\cmd.exe`;
  return { command: shell, args: ['/d', '/s', '/c', `"${line}"`], isLine: true };
}

/** The last line of npm's `cmd-shim` where it starts a program and not a script. */
const SHIM = /^\s*"%(?:~)?dp0%?\\([^"%]+\.exe)"\s+%\*\s*$/im;

const isAbsolute = (path: string): boolean => /^([a-z]:[\\/]|\\\\)/i.test(path);
const below = (folder: string, name: string): string => `${folder.replace(/[\\/]+$/, '')}\\${name}`;

const EXTENSIONS = '.COM;.EXE;.BAT;.CMD';

function candidates(command: string, env: NodeJS.ProcessEnv): string[] {
  const value = (name: string): string => Object.entries(env).find(([one]) => one.toLowerCase() === name)?.[1] ?? '';
  const extensions = (value('pathext') || EXTENSIONS).split(';').filter((one) => /^\.(com|exe|bat|cmd)$/i.test(one));
  const names = /\.(com|exe|bat|cmd)$/i.test(command)
    ? [command]
    : extensions.map((one) => `${command}${one.toLowerCase()}`);
  if (/[\\/]/.test(command)) return isAbsolute(command) ? names : [];
  const folders = value('path')
    .split(';')
    .map((folder) => folder.replace(/^"(.*)"$/, '$1'))
    .filter(isAbsolute);
  return folders.flatMap((folder) => names.map((name) => below(folder, name)));
}
