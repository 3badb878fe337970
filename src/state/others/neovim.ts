import { join } from 'node:path';
import { isObject, type Json } from '../../common/json.js';
import type { Variables } from '../../common/variables.js';
import { type Pid, parsePid } from '../../model/identity.js';
import type { Registration } from '../../model/owner.js';
import { parseObject } from '../files/parse.js';
import { readSmall } from '../files/read.js';
import { homeOf } from '../folders.js';
import { UNSAID } from './unsaid.js';

/** More than anyone has servers of opencode.nvim, which removes those without an editor. */
const MOST_PORTS = 256;
const MOST_EDITORS = 256;

/** `nvim`, and what distributions and front ends call it. */
const NVIM = /^\.?(n?vim|neovim)/i;

/** Neovim's data folder, which another name for its configuration changes. */
export function neovimFiles(env: Variables): string[] {
  const data = [env.XDG_DATA_HOME || '', join(homeOf(env), '.local', 'share')].filter((folder) =>
    folder.startsWith('/'),
  );
  const names = ['nvim', env.NVIM_APPNAME || ''].filter((name) => name !== '');
  const files = data.flatMap((folder) => names.map((name) => join(folder, name, 'opencode_port_mappings.json')));
  return [...new Set(files)];
}

/**
 * opencode.nvim's list of ports: which editors use the server there. It is written in place and says no times.
 */
export function neovims(file: string): Registration[] {
  const read = readSmall(file);
  if (read.kind === 'absent') return [];
  const empty = { ...EMPTY, file, seenAt: read.kind === 'text' ? read.modifiedAt : undefined };
  const json = read.kind === 'text' ? parseObject(read.text) : read.error;
  // An empty list in Lua is an empty array in JSON.
  if (read.kind === 'text' && /^\s*(\[\s*\]\s*)?$/.test(read.text)) return [];
  if (typeof json === 'string') return [{ ...empty, doubt: json }];
  const ports = Object.entries(json);
  const more = ports.length > MOST_PORTS ? [{ ...empty, doubt: `more than ${MOST_PORTS} ports` }] : [];
  const trust = read.kind === 'text' && read.trust.kind !== 'trusted' ? read.trust.because : undefined;
  return [
    ...ports.slice(0, MOST_PORTS).flatMap(([port, mapping]) => mapped(port, mapping, { ...empty, doubt: trust })),
    ...more,
  ];
}

const EMPTY = { ...UNSAID, by: 'Neovim', holdersName: NVIM } as const;

function mapped(key: string, mapping: unknown, empty: Registration): Registration[] {
  const port = /^\d{1,5}$/.test(key) ? Number(key) : undefined;
  if (port === undefined) return [];
  if (!isObject(mapping)) return [{ ...empty, port, doubt: 'it does not say whose' }];
  const editors = editorsIn(mapping);
  // Its `server_pid` stays when another server has the port: it is not removed where the new one’s is not known.
  const known = { ...empty, port };
  return editors === undefined ? [{ ...known, doubt: 'it does not say whose' }] : [{ ...known, holders: editors }];
}

/** Early versions list bare pids. Undefined if it is not such a list. */
function editorsIn({ nvim_pids: list }: Json): Pid[] | undefined {
  if (list === undefined || list === null || (isObject(list) && Object.keys(list).length === 0)) return [];
  if (!Array.isArray(list) || list.length > MOST_EDITORS) return undefined;
  const pids = list.map((one) => parsePid(isObject(one) ? one.pid : one));
  return pids.every((pid) => pid !== undefined) ? pids : undefined;
}
