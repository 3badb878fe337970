import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Secret } from '../../model/secret.js';
import { forgetQuestion, noteQuestion } from './questions.js';

/**
 * One answer of a server, parsed, with the realm that wants a password where it does. `garbled` calls itself JSON and is
 * cut off, too large or malformed; `silent` is a deadline that passed, perhaps in the middle of an answer;
 * `refused` a connection that never was.
 */
export type Reply =
  | { readonly kind: 'json'; readonly status: number; readonly realm: string | undefined; readonly body: unknown }
  | { readonly kind: 'other' | 'garbled'; readonly status: number; readonly realm: string | undefined }
  | { readonly kind: 'silent'; readonly hasBegun: boolean }
  | { readonly kind: 'refused'; readonly code: string };

export interface Address {
  /** A loopback address. */
  readonly host: string;
  readonly port: number;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
}

export interface Question {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly deadlineMs: number;
  /** Asked of whatever listens on a port, which may be a program that a reset would crash. */
  readonly ofStranger?: boolean;
}

/** 1,000 sessions are some 600 KB; what is larger is no answer to any question asked here. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/**
 * Asks once, on a connection of its own: a request that came too early hangs forever, while the next is answered.
 * Never follows a redirect, never leaves this machine. The connection ends with a reset, so that it leaves no TIME_WAIT entry
 * behind for a minute and passes for a client's; with a stranger it ends as any other.
 */
export function ask(
  address: Address,
  { method = 'GET', path, deadlineMs, ofStranger = false }: Question,
): Promise<Reply> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    // Any other agent closes the connection as soon as the answer is whole, before it can be reset.
    const agent = new Agent({ keepAlive: true });
    const outgoing = request({
      host: address.host,
      port: address.port,
      path,
      method,
      agent,
      headers: headersFor(address),
    });
    outgoing.on('socket', noteQuestion);
    let isDone = false;
    let hasBegun = false;
    const done = (reply: Reply): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      // Its listener for errors has to stay: what is reset may fail once more.
      outgoing.on('error', () => undefined);
      if (!ofStranger) endQuestion(outgoing.socket);
      outgoing.destroy();
      agent.destroy();
      resolve(reply);
    };
    // What has come by now comes first: a connection that is there already can be reset, and an answer is no silence.
    const timer = setTimeout(() => setImmediate(() => done({ kind: 'silent', hasBegun })), deadlineMs);
    outgoing.on('error', (error: NodeJS.ErrnoException) => done({ kind: 'refused', code: error.code ?? 'broken' }));
    outgoing.on('response', (incoming) => {
      hasBegun = true;
      const status = incoming.statusCode ?? 0;
      const realm = /^Basic realm="([^"]*)"/i.exec(incoming.headers['www-authenticate'] ?? '')?.[1];
      const garbled = { kind: 'garbled', status, realm } as const;
      const isJson = /^application\/json\b/i.test(incoming.headers['content-type'] ?? '');
      if (!isJson) return done({ ...garbled, kind: 'other' });
      let size = 0;
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BODY_BYTES) done(garbled);
        else chunks.push(chunk);
      });
      incoming.on('error', () => done(garbled));
      incoming.on('end', () => done(parsed(garbled, Buffer.concat(chunks).toString('utf8'))));
    });
    outgoing.end();
  });
}

/** A reset of what is not connected yet would wait until it is. */
function endQuestion(socket: Socket | null): void {
  if (socket === null) return;
  forgetQuestion(socket);
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

function headersFor({ username, password }: Address): Record<string, string> {
  if (password === undefined) return { accept: 'application/json' };
  const basic = Buffer.from(`${username ?? 'opencode'}:${password.reveal()}`).toString('base64');
  return { accept: 'application/json', authorization: `Basic ${basic}` };
}

function parsed(garbled: Extract<Reply, { kind: 'garbled' | 'other' }>, text: string): Reply {
  try {
    return { ...garbled, kind: 'json', body: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return garbled;
    throw error;
  }
}
