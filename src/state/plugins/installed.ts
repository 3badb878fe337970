import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from '../../model/birth.js';
import { parseObject, text } from '../files/parse.js';
import { readSmall } from '../files/read.js';

/** What `readPlugin` asks of the disk. */
export interface Asking {
  /** Whether a path can be looked at without waiting forever. */
  readonly answers: (path: string) => boolean;
}

/** Longer names are not shown whole. */
const MOST = 80;

/** The plugin of Claude Code in a folder; `none` if there is none, undefined if that cannot be read. */
export function readPlugin(root: string, { answers }: Asking): Plugin | 'none' | undefined {
  if (!answers(root)) return undefined;
  const read = readSmall(join(root, '.claude-plugin', 'plugin.json'));
  if (read.kind === 'absent') return 'none';
  const json = read.kind === 'text' ? parseObject(read.text) : undefined;
  if (json === undefined || typeof json === 'string') return undefined;
  const name = text(json.name);
  return name === undefined ? 'none' : { name: name.slice(0, MOST), version: text(json.version)?.slice(0, MOST) };
}

/** The same, if its SessionStart hook is one that starts a server, as DevMinions' does with this file. */
export function readStarter(root: string, asking: Asking): Plugin | 'none' | undefined {
  const plugin = readPlugin(root, asking);
  const starts = typeof plugin === 'object' && existsSync(join(root, 'scripts', 'lib', 'opencode-server.mjs'));
  return plugin === undefined || starts ? plugin : 'none';
}
