import type { Lease } from '../decide/record.js';
import { identity, isObject, machine, parseOurs, port, text, texts, time } from './parse.js';

/** The lease in a file of ours, or a sentence that says why there is none. */
export function parseLease(file: string, content: string): Lease | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const holder = isObject(json.holder) ? json.holder : undefined;
  return {
    file,
    session: text(json.session),
    holder: holder && identity(holder.pid, holder.startToken),
    machine: holder && machine(holder.machine),
    path: text(json.cwd),
    port: port(json.port),
    servers: texts(json.servers),
    expiresAt: time(json.expiresAt),
  };
}
