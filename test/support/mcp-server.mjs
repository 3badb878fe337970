// The smallest MCP server that opencode accepts: `node mcp-server.mjs polite|stubborn`, JSON-RPC by line on stdio. It
// listens on a port with `listening`, and with `detaching COMMAND…` it starts that in a session of its own.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const kind = process.argv[2] ?? 'polite';

if (kind === 'stubborn') {
  process.on('SIGTERM', () => undefined);
  // Keeps it alive once its stdin has ended.
  setInterval(() => undefined, 60_000);
}

if (kind === 'listening') createServer().listen(0, '127.0.0.1').unref();

if (kind === 'detaching') {
  const [command, ...args] = process.argv.slice(3);
  spawn(command, args, { detached: true, stdio: 'ignore' }).unref();
}

const results = {
  initialize: (params) => ({
    protocolVersion: params?.protocolVersion ?? '2025-03-26',
    capabilities: { tools: {} },
    serverInfo: { name: kind, version: '1.0.0' },
  }),
  'tools/list': () => ({ tools: [] }),
  ping: () => ({}),
};

// A client that is gone cannot be answered; for the stubborn one that is no reason to end.
process.stdout.on('error', () => undefined);

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result = results[method]?.(params);
  const answer = result === undefined ? { error: { code: -32601, message: `no method ${method}` } } : { result };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`);
});
