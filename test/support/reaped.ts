import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { type ExpectStatic, test as plain } from 'vitest';
import { type CliOptions, runCli } from './cli.js';
import { endWithReset, request } from './client.js';
import { type Config, configEnv, providerConfig } from './config.js';
import { inhabitants } from './inhabitants.js';
import { type McpKind, mcpConfig } from './mcp.js';
import { installOpencode, type Release, type Server } from './opencode.js';
import { children, cmdline, portHolder } from './proc.js';
import { type Provider, startProvider } from './provider.js';
import { type Changes, createSandbox, type Sandbox } from './sandbox.js';
import { inTurn } from './turn.js';
import { waitFor } from './wait.js';

/** Each test gets its own sandbox and slow provider, so that tests can wait at the same time. */
export const test = plain.extend<{ sandbox: Sandbox; provider: Provider }>({
  sandbox: async ({ task: _ }, use) => {
    const sandbox = await createSandbox('reaped');
    await use(sandbox);
    await sandbox.dispose();
  },
  provider: async ({ task: _ }, use) => {
    const provider = await startProvider('slow');
    await use(provider);
    await provider.close();
  },
});

/** What these tests read of a server in `--json`. */
export interface Reported {
  readonly id: string;
  readonly pid: number | null;
  readonly serverPid: number | null;
  readonly verdict: 'stale' | 'spared' | 'unsure' | 'gone';
  readonly reasons: readonly string[];
  readonly guards: readonly { readonly name: string; readonly detail: string }[];
  readonly outcome: {
    readonly kind: string;
    readonly signal?: string;
    readonly because?: string;
    readonly tookMs?: number;
    readonly leftBehind?: readonly { readonly pid: number }[];
  } | null;
}

export interface Report {
  readonly code: number;
  readonly servers: readonly Reported[];
  readonly unrecorded: readonly { readonly pid: number | null }[];
}

/** A run of `opencode-reap --json`; fails when it was ended by a signal, since there is no report then. */
export const reapJson = async (
  sandbox: Sandbox,
  args: readonly string[],
  options: CliOptions = {},
): Promise<Report> => {
  const { code, stdout, stderr } = await runCli(sandbox, [...args, '--json'], options);
  if (code === null || stdout === '') throw new Error(`opencode-reap ${args.join(' ')}: exit code ${code}\n${stderr}`);
  return { ...JSON.parse(stdout), code };
};

/** A server that `opencode-reap start` started; `pid` is the spawned process, `listener` the one that listens. */
export interface Recorded extends Server {
  readonly id: string;
  readonly listener: number;
}

/** Starts a server in the sandbox's project, with the program itself, and leaves it unused. */
export const startAndLeave = async (
  sandbox: Sandbox,
  release: Release,
  config: Config = {},
  settings: Changes = {},
): Promise<Recorded> => {
  await installOpencode(sandbox, release);
  const port = await sandbox.reserve();
  const env = { ...configEnv(config), ...settings };
  const args = ['start', '--port', `${port}`, '--json'];
  const { code, stdout, stderr } = await inTurn(() => runCli(sandbox, args, { env, timeoutMs: 90_000 }));
  if (code !== 0) throw new Error(`opencode-reap start: exit code ${code}\n${stderr}`);
  const { id, url } = JSON.parse(stdout);
  const { pid, serverPid } = JSON.parse(readFileSync(join(sandbox.stateDir, `servers/${id}.json`), 'utf8'));
  return { id, url, port, pid, listener: serverPid };
};

/** The same with MCP servers of these kinds running below it. */
export const startWithMcp = async (
  sandbox: Sandbox,
  release: Release,
  provider: Provider,
  kinds: readonly McpKind[],
  settings: Changes = {},
): Promise<Recorded> => {
  const mcp = Object.assign({}, ...kinds.map(mcpConfig));
  const server = await startAndLeave(sandbox, release, providerConfig(provider, { mcp }), settings);
  await request(server.url, '/mcp', { directory: sandbox.project, timeoutMs: 30_000 });
  for (const kind of kinds) await waitFor(`the ${kind} MCP server runs`, () => mcpOf(server, kind) !== undefined);
  return server;
};

export const mcpOf = ({ listener }: Recorded, kind: McpKind): number | undefined =>
  children(listener).find((pid) => cmdline(pid)[2] === kind);

/** Every file below a state folder, by its relative path, with its content. */
export const stateFiles = (folder: string): Record<string, string> => {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
};

/** A client that listens for events, as an attached terminal does, until the returned function ends it. */
export const attach = async (url: string): Promise<() => void> => {
  const client = get(`${url}/global/event`, { agent: false });
  // A server that is ended cuts the connection.
  client.on('error', () => undefined);
  const [events] = await once(client, 'response');
  events.on('error', () => undefined).resume();
  return () => endWithReset(client);
};

/** Nothing of the sandbox is alive, nothing listens on the port, and no file of that server is left. */
export const expectNothingLeft = (
  expect: ExpectStatic,
  sandbox: Sandbox,
  { port }: { readonly port: number },
): void => {
  expect(inhabitants(sandbox)).toEqual([]);
  expect(portHolder(port)).toBeUndefined();
  // What the watch has stopped is told to whoever begins the next session.
  const files = Object.keys(stateFiles(sandbox.stateDir)).filter((name) => name !== 'notice.json');
  expect(files).toEqual(['log.ndjson']);
};
