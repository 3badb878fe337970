import { pathToFileURL } from 'node:url';
import type { StateFolder, Variables } from '../state/folders.js';
import { pluginFile } from '../state/plugin-file.js';
import { recordFile } from '../state/registry.js';
import { withPlugin } from './config-content.js';
import { PLUGIN_SOURCE } from './plugin-source.js';

/** What Linux takes as one variable, its name and the NUL at its end included; a longer one starts nothing at all. */
const LONGEST_BYTES = 131_072;

/** How a server retires: after how long without any work, and what it starts then to be judged. */
export interface Retiring {
  /** 0 never does. */
  readonly retireAfterMs: number;
  /** This very program, as a file that node runs; undefined where there is none. */
  readonly program: string | undefined;
  readonly args: readonly string[];
  readonly env: Variables;
}

/**
 * What the environment of a new server must say so that it retires; nothing when it is not to, when it loads no
 * plugins, or when the configuration that it is given in its environment cannot be added to, or would be too long then.
 */
export function retirement(id: string, wanted: Retiring, folder: StateFolder): Record<string, string> {
  const { retireAfterMs: afterMs, program, env } = wanted;
  if (afterMs === 0 || program === undefined || isPure(wanted)) return {};
  const file = pluginFile(folder, PLUGIN_SOURCE);
  const content = file && withPlugin(env.OPENCODE_CONFIG_CONTENT, pathToFileURL(file).href);
  if (content === undefined || Buffer.byteLength(`OPENCODE_CONFIG_CONTENT=${content}`) >= LONGEST_BYTES) return {};
  const args = [program, 'retire', id, '--state-dir', folder.root];
  const told = { afterMs, record: recordFile(folder, id), node: process.execPath, args };
  return { OPENCODE_CONFIG_CONTENT: content, OPENCODE_REAP_RETIRE: JSON.stringify(told) };
}

const isPure = ({ args, env }: Retiring): boolean =>
  args.some((arg) => /^--pure(=|$)/.test(arg)) || /^(1|true)$/i.test(env.OPENCODE_PURE ?? '');
