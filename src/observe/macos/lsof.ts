import { decoded, linesOf } from './tools.js';

/** A file that a process has open, as `lsof -F` shows it; a field that was not asked for is empty. */
export interface OpenFile {
  readonly pid: number;
  readonly fd: string;
  /** `IPv4`, `IPv6`, `unix`, `DIR` … */
  readonly type: string;
  readonly name: string;
  /** Of a TCP socket: `LISTEN`, `ESTABLISHED` … */
  readonly state: string;
}

/**
 * One line for each field, in a fixed order: `p` once for each process, `f` before what is said of a file. Undefined when
 * a line is no field, or the last one was cut: half an answer would hide a client.
 */
export function parseLsof(stdout: string): OpenFile[] | undefined {
  const files: Writable<OpenFile>[] = [];
  let pid: number | undefined;
  let file: Writable<OpenFile> | undefined;
  for (const line of linesOf(stdout) ?? ['cut']) {
    const value = line.slice(1);
    if (line[0] === 'p') {
      if (!/^\d{1,10}$/.test(value)) return undefined;
      pid = Number(value);
      file = undefined;
    } else if (line[0] === 'f' && pid !== undefined) {
      file = { pid, fd: value, type: '', name: '', state: '' };
      files.push(file);
    } else if (pid === undefined || !/^[a-zA-Z]/.test(line)) {
      return undefined;
    } else if (file !== undefined) {
      if (line[0] === 't') file.type = value;
      if (line[0] === 'n') file.name = decoded(unescaped(value));
      if (line.startsWith('TST=')) file.state = value.slice(3);
    }
  }
  return files;
}

type Writable<T> = { -readonly [Field in keyof T]: T[Field] };

/** Control characters, backslashes and, in some languages, bytes above 127 are spelled out. */
const unescaped = (name: string): string =>
  name.replace(
    /\\(x[0-9a-f]{2}|[\\ntrbf])/g,
    (_, code: string) => ESCAPED[code] ?? String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  );

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\', n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

/** One end of a connection, or what is listened on. */
export interface End {
  /** `0.0.0.0` where lsof prints `*`, which is both families; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface TcpSocket {
  readonly pid: number;
  readonly state: string;
  readonly local: End;
  readonly peer: End | undefined;
}

const NO_END = '*:*';

/** Undefined for a name that is not understood; an unbound socket has no place here and is left out. */
export function tcpSockets(files: readonly OpenFile[]): TcpSocket[] | undefined {
  const sockets: TcpSocket[] = [];
  for (const { pid, state, name } of files) {
    const [from = '', to = NO_END] = name.split('->');
    if (from === NO_END || state === 'CLOSED') continue;
    const [local, peer] = [endOf(from), endOf(to)];
    if (local === undefined || (peer === undefined && to !== NO_END)) return undefined;
    sockets.push({ pid, state, local, peer });
  }
  return sockets;
}

/** `127.0.0.1:4096`, `[::1]:4096`, `*:4096` */
function endOf(text: string): End | undefined {
  const [, host = '', port] = /^(\*|[\d.]+|\[[^\]]+\]):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) return undefined;
  return { host: host === '*' ? ANY : host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

export const ANY = '0.0.0.0';
