import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../../../src/model/identity.js';
import { macosPlatform } from '../../../src/observe/macos/macos.js';
import { TOOLS } from '../../../src/observe/macos/tools.js';
import type { Platform } from '../../../src/observe/platform.js';
import { lstart } from '../../support/lstart.js';

/** Higher than any pid of this machine, so that none of its processes is meant by mistake. */
export const SERVER = 5_000_001;
export const HOST: Host = { id: 'a made-up Mac', boot: 'its boot', pidNamespace: 'darwin', name: 'made-up' };
export const TAG = 'a-tag';
export const US = String(process.getuid?.() ?? 501);
/** As a record and `ps` say it, an hour ago. */
export const BEGAN = Math.floor(Date.now() / 1000) - 3_600;

export interface Made {
  readonly pid?: number;
  readonly parent?: number;
  readonly group?: number;
  readonly owner?: string;
  readonly stat?: string;
  readonly began?: number;
  readonly ucomm?: string;
  readonly args?: string;
}

const ARGS = '/Users/alex/.opencode/bin/opencode serve --port 4096';

/** A row of `ps`, by default that of the recorded server. */
export function row(made: Made = {}): string {
  const { pid = SERVER, parent = 1, group = pid, owner = US, stat = 'Ss', began = BEGAN } = made;
  const { ucomm = 'opencode', args = ARGS } = made;
  return `${parent} ${group} ${owner} ${stat.padEnd(4)} ??       351232 ${lstart(began).padEnd(28)} ${pid} ${ucomm.padEnd(16)} ${pid} ${args}\n`;
}

export const ourRow = (): string => row({ pid: process.pid, ucomm: 'node', args: 'node test' });

/** What each tool is to print, and the code that it is to end with. `sleep` is a tool that does not come back. */
export interface Said {
  readonly ps?: string;
  readonly psCode?: number;
  /** What `ps -p` prints, if that is something else. */
  readonly look?: string;
  readonly environments?: string;
  readonly lsof?: string;
  readonly lsofCode?: number;
  readonly cwd?: string;
  readonly netstat?: string;
  readonly netstatCode?: number;
  readonly hangs?: 'ps' | 'lsof' | 'netstat';
  /** May not be run at all, as in a sandbox. */
  readonly forbidden?: 'ps' | 'lsof' | 'netstat';
}

const HEADING = 'Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)\n';

/** A Mac with one server on it, that has listened on nothing for an hour: so it is stale without being asked. */
export const MAC: Required<Omit<Said, 'hangs' | 'forbidden' | 'look'>> = {
  ps: `${ourRow()}${row()}`,
  psCode: 0,
  environments: `${process.pid} node test HOME=/Users/alex\n${SERVER} ${ARGS} HOME=/Users/alex OPENCODE_REAP_TAG=${TAG}\n`,
  lsof: '',
  lsofCode: 1,
  cwd: `p${SERVER}\nfcwd\nn/Users/alex\n`,
  netstat: HEADING,
  netstatCode: 0,
};

/** `netstat` with these rows below its heading. */
export const netstat = (rows: string): string => `${HEADING}${rows}`;

/** The platform, whose tools are scripts that print this, and every call of them. They are stand-ins. */
export function standIn(folder: string, but: Said = {}): Platform & { readonly calls: () => string[] } {
  const said = { ...MAC, ...but };
  mkdirSync(folder, { recursive: true });
  const file = (name: string, text = ''): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const log = file('calls');
  const tool = (name: 'ps' | 'lsof' | 'netstat', lines: string): string => {
    const sleep = but.hangs === name ? 'exec /bin/sleep 60\n' : '';
    const path = file(name, `#!/bin/sh\necho "${name} $*" >>${log}\n${sleep}${lines}\n`);
    chmodSync(path, but.forbidden === name ? 0o644 : 0o755);
    return path;
  };
  const cat = (name: string, text: string | undefined): string => `/bin/cat ${file(`${name}.txt`, text)}`;
  const ps = `case "$*" in
eww*) ${cat('environments', said.environments)}; exit 0 ;;
-p*) ${cat('look', said.look ?? said.ps)} ;;
*) ${cat('rows', said.ps)} ;;
esac
exit ${said.psCode}`;
  const lsof = `case "$*" in *cwd*) ${cat('cwd', said.cwd)}; exit 0 ;; *) ${cat('lsof', said.lsof)}; exit ${said.lsofCode} ;; esac`;
  const tools = {
    ...TOOLS,
    highestPid: 9_999_999,
    ps: tool('ps', ps),
    lsof: tool('lsof', lsof),
    netstat: [tool('netstat', `${cat('netstat', said.netstat)}; exit ${said.netstatCode}`), '-an'] as const,
  };
  const platform = macosPlatform({ tools, host: async () => HOST });
  const calls = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : []);
  return { name: 'a stand-in', ...platform, shows: platform.shows, calls };
}
