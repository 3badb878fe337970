import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * slow: a word each 200 ms until released. silent: accepts, and sends nothing until released. rate-limited: 429.
 * tool: a call of the `bash` tool, and a short text once its result is in. quick: a short text.
 */
export type Mode = 'slow' | 'silent' | 'rate-limited' | 'tool' | 'quick';

interface ChatRequest {
  readonly model: string;
  readonly messages: readonly { readonly role: string }[];
}

export interface Provider {
  readonly url: string;
  readonly port: number;
  mode: Mode;
  /** The command that the `tool` mode runs. */
  command: string;
  readonly requests: ChatRequest[];
  /** Lets the pending slow and silent answers finish. */
  release(): void;
  close(): Promise<void>;
}

const MAIN = 'main';
const SMALL = 'small';

type Delta = Readonly<Record<string, unknown>>;

const send = (response: ServerResponse, delta: Delta, finish: string | null = null): void => {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
  const choices = [{ index: 0, delta, finish_reason: finish }];
  const usage = finish === null ? {} : { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
  const chunk = { id: 'chat', object: 'chat.completion.chunk', created: 1, model: MAIN, choices, ...usage };
  response.write(`data: ${JSON.stringify(chunk)}\n\n`);
};

const finish = (response: ServerResponse, reason: string): void => {
  send(response, {}, reason);
  response.end('data: [DONE]\n\n');
};

const quick = (response: ServerResponse): void => {
  send(response, { role: 'assistant', content: 'done' });
  finish(response, 'stop');
};

const slow = async (response: ServerResponse, released: AbortSignal): Promise<void> => {
  while (!released.aborted && !response.destroyed) {
    send(response, { role: 'assistant', content: 'word ' });
    await sleep(200);
  }
  finish(response, 'stop');
};

const silent = (response: ServerResponse, released: AbortSignal): void =>
  released.addEventListener('abort', () => quick(response), { once: true });

const rateLimited = (response: ServerResponse): void => {
  response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '600' });
  response.end(JSON.stringify({ error: { message: 'Rate limit reached', type: 'rate_limit_error' } }));
};

const tool = (response: ServerResponse, command: string): void => {
  const args = JSON.stringify({ command, description: 'as told', timeout: 600_000 });
  const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'bash', arguments: args } };
  send(response, { role: 'assistant', content: null, tool_calls: [call] });
  finish(response, 'tool_calls');
};

/** Titles come from the small model and are never what is tested, so they are always quick. */
const answer = (response: ServerResponse, asked: ChatRequest, provider: Provider, released: AbortSignal): unknown => {
  if (asked.model === SMALL || provider.mode === 'quick') return quick(response);
  if (provider.mode === 'slow') return slow(response, released);
  if (provider.mode === 'silent') return silent(response, released);
  if (provider.mode === 'rate-limited') return rateLimited(response);
  return asked.messages.at(-1)?.role === 'tool' ? quick(response) : tool(response, provider.command);
};

/** A stand-in for a model provider that speaks OpenAI's chat completions, on 127.0.0.1. */
export const startProvider = async (mode: Mode = 'quick'): Promise<Provider> => {
  let gate = new AbortController();
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const asked = (await json(request)) as ChatRequest;
    provider.requests.push(asked);
    await answer(response, asked, provider, gate.signal);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const release = (): void => {
    gate.abort();
    gate = new AbortController();
  };
  const close = (): Promise<void> => {
    release();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  const url = `http://127.0.0.1:${port}/v1`;
  const provider: Provider = { url, port, mode, command: 'sleep 300', requests: [], release, close };
  return provider;
};

export { MAIN, SMALL };
