import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A stand-in for the model behind Claude Code, on loopback. A prompt `please execute: <command>` is answered with a call of the
 * shell tool, `please execute in the background: <command>` with one that it does not wait for, and the tool's result,
 * like everything else, with a short text.
 */
export interface ClaudeApi {
  readonly url: string;
  /** The bodies of all that the model was asked, as they came. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

interface Message {
  readonly role: string;
  readonly content: string | readonly Block[];
}
type Block = { readonly type: string; readonly text?: string };

export const startClaudeApi = async (): Promise<ClaudeApi> => {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const text = await textOf(request);
    const body = json(text);
    if (request.method !== 'POST' || !request.url?.startsWith('/v1/messages')) {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ type: 'error', error: { type: 'not_found_error', message: 'nothing here' } }));
      return;
    }
    asked.push(text);
    const content = answerTo(body.messages ?? []);
    if (request.url.includes('count_tokens')) return void response.end(JSON.stringify({ input_tokens: 10 }));
    if (!body.stream) {
      response.writeHead(200, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify(messageWith([content])));
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of streamed(content)) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://127.0.0.1:${port}`, asked, close };
};

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
};

const json = (text: string): { stream?: boolean; messages?: Message[] } => (text === '' ? {} : JSON.parse(text));

type Answer =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: 'Bash'; readonly input: ShellCall };
interface ShellCall {
  readonly command: string;
  readonly run_in_background?: true;
}

/** What was said since the model last spoke; the client adds reminders of its own after a prompt. */
function answerTo(messages: readonly Message[]): Answer {
  const since = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  const blocks = since.flatMap(({ content }): readonly Block[] =>
    typeof content === 'string' ? [{ type: 'text', text: content }] : content,
  );
  if (blocks.some(({ type }) => type === 'tool_result')) return { type: 'text', text: 'done' };
  const asked = blocks.flatMap(
    ({ text = '' }) => /please execute( in the background)?: (.+?)(?:<\/command-args>)?$/m.exec(text) ?? [],
  );
  const [, inBackground, command] = asked;
  if (command === undefined) return { type: 'text', text: 'hello' };
  const input = inBackground ? { command, run_in_background: true as const } : { command };
  return { type: 'tool_use', id: `toolu_${Date.now()}`, name: 'Bash', input };
}

const messageWith = (content: readonly Answer[]) => ({
  id: `msg_${Date.now()}`,
  type: 'message',
  role: 'assistant',
  model: 'stand-in',
  content,
  stop_reason: content[0]?.type === 'tool_use' ? 'tool_use' : content.length > 0 ? 'end_turn' : null,
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 },
});

function streamed(answer: Answer) {
  const start = answer.type === 'text' ? { type: 'text', text: '' } : { ...answer, input: {} };
  const delta =
    answer.type === 'text'
      ? { type: 'text_delta', text: answer.text }
      : { type: 'input_json_delta', partial_json: JSON.stringify(answer.input) };
  const stop = answer.type === 'text' ? 'end_turn' : 'tool_use';
  return [
    { type: 'message_start', message: messageWith([]) },
    { type: 'content_block_start', index: 0, content_block: start },
    { type: 'content_block_delta', index: 0, delta },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: stop }, usage: { output_tokens: 5 } },
    { type: 'message_stop' },
  ];
}
