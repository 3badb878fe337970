import { Agent, type ClientRequest, request as httpRequest } from 'node:http';
import { isDeepStrictEqual } from 'node:util';

export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly directory?: string;
  readonly password?: string;
  readonly timeoutMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  /** Parsed if the answer is JSON, else the text. */
  readonly body: unknown;
}

const parsed = (type: string, text: string): unknown =>
  type.includes('json') && text !== '' ? (JSON.parse(text) as unknown) : text;

const headers = ({ body, directory, password }: Asked): Record<string, string> => ({
  ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  ...(directory === undefined ? {} : { 'x-opencode-directory': encodeURIComponent(directory) }),
  ...(password === undefined ? {} : { authorization: `Basic ${btoa(`opencode:${password}`)}` }),
});

/** A reset connection leaves no row behind, which would make the server count as used for another minute. */
export const endWithReset = (sent: ClientRequest): void => {
  sent.on('error', () => undefined);
  if (sent.socket?.connecting) sent.destroy();
  else sent.socket?.resetAndDestroy();
};

/** Always a new connection, reset afterwards: a kept one would count as a client of the server. */
export const request = (url: string, path: string, asked: Asked = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { method = asked.body === undefined ? 'GET' : 'POST', timeoutMs = 15_000 } = asked;
    const agent = new Agent({ keepAlive: true });
    const sent = httpRequest(new URL(path, url), { method, headers: headers(asked), agent });
    const timer = setTimeout(() => {
      reject(Object.assign(new Error(`no answer in ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
      endWithReset(sent);
    }, timeoutMs);
    sent.once('close', () => clearTimeout(timer));
    sent.once('error', reject);
    sent.once('response', (response) => {
      const chunks: Buffer[] = [];
      const type = response.headers['content-type'] ?? '';
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        clearTimeout(timer);
        endWithReset(sent);
        resolve({ status: response.statusCode ?? 0, type, body: parsed(type, text) });
      });
    });
    sent.end(asked.body === undefined ? undefined : JSON.stringify(asked.body));
  });

const succeeded = async (url: string, path: string, asked: Asked): Promise<unknown> => {
  const answer = await request(url, path, asked);
  if (answer.status >= 200 && answer.status < 300) return answer.body;
  throw new Error(`${asked.method ?? 'POST'} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
};

const fieldOf = (body: unknown, name: string): unknown =>
  typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;

/** The id of the new session. */
export const createSession = async (url: string, directory: string): Promise<string> => {
  const id = fieldOf(await succeeded(url, '/session', { body: {}, directory }), 'id');
  if (typeof id !== 'string') throw new Error('the new session has no id');
  return id;
};

/** Returns as soon as the server has accepted the prompt (204); `status` shows the rest. */
export const prompt = async (url: string, session: string, directory: string, text: string): Promise<void> => {
  const body = { parts: [{ type: 'text', text }] };
  await succeeded(url, `/session/${session}/prompt_async`, { body, directory });
};

export const abort = async (url: string, session: string, directory: string): Promise<void> => {
  await succeeded(url, `/session/${session}/abort`, { body: {}, directory });
};

/** For exactly this directory; idle sessions are absent. */
export const status = async (url: string, directory: string): Promise<Record<string, { readonly type: string }>> =>
  (await succeeded(url, '/session/status', { method: 'GET', directory })) as Record<string, { readonly type: string }>;

export const isIdle = async (url: string, directory: string): Promise<boolean> =>
  isDeepStrictEqual(await status(url, directory), {});

/** The user's own shell. The server answers when the command ends; a server that ends first cuts the connection. */
export const shell = async (
  url: string,
  session: string,
  directory: string,
  command: string,
): Promise<'finished' | 'cut off'> => {
  const body = { agent: 'build', command };
  const asked = { body, directory, timeoutMs: 600_000 };
  return succeeded(url, `/session/${session}/shell`, asked).then(
    () => 'finished',
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return 'cut off';
      throw error;
    },
  );
};

/** The pid of the shell behind a new terminal. */
export const pty = async (url: string, directory: string): Promise<number> => {
  const pid = fieldOf(await succeeded(url, '/pty', { body: {}, directory }), 'pid');
  if (typeof pid !== 'number') throw new Error('the new terminal has no pid');
  return pid;
};
