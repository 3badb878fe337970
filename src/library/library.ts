import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULTS, VENDORED_FILES } from '../common/defaults.js';
import { VERSION } from '../common/version.js';
import type { Scope } from '../decide/plan.js';
import type { Outcome } from '../model/outcome.js';
import { workspaceOf } from '../observe/directories.js';
import { hashedPlaceOf } from '../observe/hashed-directory.js';
import { reap as run } from '../reap.js';
import { jsonReport, jsonServer } from '../report/json.js';
import { unwritable } from '../report/unwritable.js';
import { findServer, forbidding } from '../run/find-server.js';
import { stopNamed } from '../run/stop-and-log.js';
import { inProject, openWorld, type World } from '../run/world.js';
import { type AttachRequest, attach, release } from '../session/attach.js';
import { endWatchIfOver } from '../session/watch.js';
import { ensureForSession } from '../start/ensure-for-session.js';
import type { Wanted } from '../start/request.js';
import type * as Api from './api.js';
import {
  command,
  count,
  duration,
  durationIn,
  failure,
  flag,
  known,
  loopback,
  port,
  retireAfter,
  text,
  texts,
  variables,
} from './check-options.js';

/* The functions that `api.ts` declares. Their defaults are the command line's. */

export const ensureServer: typeof Api.ensureServer = (options = {}) =>
  inWorld('ensureServer', options, async (world) => {
    const started = await ensureForSession(wantedFrom(options), process.env.CLAUDE_PID, world);
    if (started.kind === 'refused') throw failure(started.error, started.hint);
    const { url, pid, alreadyRunning, startedByPlugin, id, password } = started;
    const answer = { url, pid, alreadyRunning, startedByPlugin, id };
    return password === undefined ? answer : { ...answer, password: password.reveal() };
  });

export const attachSession: typeof Api.attachSession = (options = {}) =>
  inWorld('attachSession', options, (world) => attach(attachingFrom(options), world));

export const releaseSession: typeof Api.releaseSession = (options = {}) =>
  inWorld('releaseSession', options, (world) => release(attachingFrom(options), world));

export const stopServer: typeof Api.stopServer = (server, options = {}) =>
  inWorld('stopServer', options, async (world) => {
    const graceMs = duration('grace', options.grace) ?? DEFAULTS.graceMs;
    const policy = { olderThanMs: 0, graceMs, endStrays: flag('strays', options.strays), named: true };
    const found = await findServer(String(server), { ...policy, meansProcess: true }, world);
    if (found.kind === 'missing') return withheld(`no known server has the id, pid or port ${server}`);
    if (found.kind === 'ambiguous')
      return withheld(
        `${server} names more than one server: ${found.servers.map(({ record }) => record.id).join(', ')}`,
      );
    const forbids = forbidding(found);
    if (forbids) return withheld(forbids.detail);
    const { outcome } = jsonServer(await stopNamed(found.server, policy, world));
    await endWatchIfOver(program(), world);
    return outcome ?? withheld('it was left alone');
  });

export const scan: typeof Api.scan = async (options = {}) => {
  known('scan', options);
  return (await reap({ ...options, all: true, dryRun: true })).servers;
};

export const reap: typeof Api.reap = (options = {}) =>
  inWorld('reap', options, async (world) => {
    const request = {
      dryRun: flag('dryRun', options.dryRun),
      scope: scopeFrom(options),
      olderThanMs: duration('olderThan', options.olderThan) ?? DEFAULTS.olderThanMs,
      graceMs: duration('grace', options.grace) ?? DEFAULTS.graceMs,
      limit: count('limit', options.limit) ?? DEFAULTS.limit,
      endStrays: flag('strays', options.strays),
    };
    const { scope } = request;
    const reaped = await run(request, scope.kind === 'all' ? world : inProject(world, scope.workspace));
    if (!request.dryRun) await endWatchIfOver(program(), world);
    return jsonReport(reaped, VERSION);
  });

async function inWorld<T>(
  called: Parameters<typeof known>[0],
  options: Api.StateOptions,
  act: (world: World) => Promise<T>,
): Promise<T> {
  known(called, options);
  try {
    return await act(await openWorld(text('stateDir', options.stateDir || undefined), process.env, 'library'));
  } catch (error) {
    throw explained(error);
  }
}

/** A file system error becomes the same sentence as on the command line; any other error is a bug of ours. */
function explained(error: unknown): unknown {
  const sentence = unwritable(error);
  if (sentence !== undefined) return failure(sentence, 'make it writable, or choose another folder as stateDir');
  if (!(error instanceof Error && 'syscall' in error)) return error;
  return error.syscall === 'uv_cwd'
    ? failure('the current directory no longer exists', 'name another one as workspace')
    : failure(error.message, 'npx opencode-reap doctor shows more');
}

const withheld = (because: string): Extract<Outcome, { kind: 'withheld' }> => ({ kind: 'withheld', because });

function wantedFrom(options: Api.ServerOptions): Wanted {
  return {
    port: port(options.port) ?? DEFAULTS.port,
    hostname: loopback(options.hostname ?? options.host ?? DEFAULTS.hostname),
    ...sessionFrom(options),
    plugin: text('plugin', options.plugin) ?? 'a plugin',
    command: command(options.command) ?? 'opencode',
    args: texts('args', options.args) ?? [],
    env: variables('env', options.env) ?? process.env,
    readyTimeoutMs: duration('readyTimeout', options.readyTimeout) ?? DEFAULTS.readyTimeoutMs,
    retireAfterMs: retireAfter(options.retireAfter ?? retireAfterSaid()) ?? DEFAULTS.retireAfterMs,
    program: program(),
    secure: flag('secure', options.secure),
  };
}

/** An empty session id counts as not set. */
const sessionFrom = ({ sessionId, workspace, cwd }: Api.SessionOptions) => ({
  sessionId: text('sessionId', (sessionId ?? process.env.CLAUDE_CODE_SESSION_ID) || undefined),
  workspace: workspaceFrom(text('workspace', workspace) ?? text('cwd', cwd)),
});

const workspaceFrom = (directory: string | undefined): string => workspaceOf(directory ?? process.cwd());

function attachingFrom(options: Api.AttachOptions): AttachRequest {
  const { sessionId: session, workspace } = sessionFrom(options);
  const server = text('server', options.server);
  return {
    session,
    claudePid: process.env.CLAUDE_PID,
    workspace,
    // 0 chooses a port for a new server; it does not name one.
    port: port(options.port) || undefined,
    server,
  };
}

function scopeFrom(options: Api.ReapOptions): Scope {
  const narrowed = port(options.port);
  if (flag('all', options.all)) return { kind: 'all', port: narrowed };
  return {
    kind: 'workspace',
    workspace: hashedPlaceOf(workspaceFrom(text('workspace', options.workspace))),
    port: narrowed,
  };
}

const retireAfterSaid = (): number | undefined =>
  durationIn('OPENCODE_REAP_RETIRE_AFTER', process.env.OPENCODE_REAP_RETIRE_AFTER);

const program = (): string | undefined => programBeside(fileURLToPath(import.meta.url));

/**
 * The file that node can run to look after servers: the program of the package, else the vendored file. Undefined when
 * bundled into another program: it would have to be that program that is run, and its arguments are its own.
 */
function programBeside(here: string): string | undefined {
  const program = join(dirname(here), 'opencode-reap.cjs');
  if (existsSync(program)) return program;
  return VENDORED_FILES.includes(basename(here)) ? here : undefined;
}
