import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Api from './api.js';
import { parseDuration } from './decide/duration.js';
import type { Outcome } from './decide/outcome.js';
import type { Scope } from './decide/plan.js';
import { DEFAULTS } from './defaults.js';
import { ensureForSession } from './ensure.js';
import type { Wanted } from './launch.js';
import { hashedPlaceOf } from './observe/hashed-place.js';
import { workspaceOf } from './observe/places.js';
import { reap as run } from './reap.js';
import { jsonReport, jsonServer } from './report/json.js';
import { type Attaching, attach, release } from './session.js';
import { findServer, forbidding, stopOnWord } from './stop.js';
import { unwritable } from './unwritable.js';
import { VERSION } from './version.js';
import { openWorld, type World } from './world.js';

/* The functions that `api.ts` declares, with their defaults: the command line's. */

export const ensureServer: typeof Api.ensureServer = (options = {}) =>
  inWorld(options, async (world) => {
    const started = await ensureForSession(wantedFrom(options), process.env.CLAUDE_PID, world);
    if (started.kind === 'refused') throw failure(started.error, started.hint);
    const { url, pid, alreadyRunning, startedByPlugin, id, password } = started;
    const answer = { url, pid, alreadyRunning, startedByPlugin, id };
    return password === undefined ? answer : { ...answer, password: password.reveal() };
  });

export const attachSession: typeof Api.attachSession = (options = {}) =>
  inWorld(options, (world) => attach(attachingFrom(options), world));

export const releaseSession: typeof Api.releaseSession = (options = {}) =>
  inWorld(options, (world) => release(attachingFrom(options), world));

export const stopServer: typeof Api.stopServer = (server, options = {}) =>
  inWorld(options, async (world) => {
    const graceMs = duration('grace', options.grace) ?? DEFAULTS.graceMs;
    const manner = { olderThanMs: 0, graceMs, endStrays: options.strays === true, onWord: true };
    const found = await findServer(String(server), { ...manner, meansProcess: true }, world);
    if (found.kind === 'missing') return withheld(`no server is known by the id, pid or port ${server}`);
    if (found.kind === 'ambiguous') return withheld(`${server} names several servers: ${found.ids.join(', ')}`);
    const forbids = forbidding(found);
    if (forbids) return withheld(forbids.detail);
    const { outcome } = jsonServer(await stopOnWord(found, manner, world));
    return outcome ?? withheld('it was left alone');
  });

export const scan: typeof Api.scan = async (options = {}) =>
  (await reap({ ...options, all: true, dryRun: true })).servers;

export const reap: typeof Api.reap = (options = {}) =>
  inWorld(options, async (world) => {
    const request = {
      dryRun: options.dryRun === true,
      scope: scopeFrom(options),
      olderThanMs: duration('olderThan', options.olderThan) ?? DEFAULTS.olderThanMs,
      graceMs: duration('grace', options.grace) ?? DEFAULTS.graceMs,
      limit: options.limit ?? DEFAULTS.limit,
      endStrays: options.strays === true,
    };
    return jsonReport(await run(request, world), VERSION);
  });

/** An error of the file system becomes the sentence that the command line says, too. */
async function inWorld<T>({ stateDir }: Api.StateOptions, act: (world: World) => Promise<T>): Promise<T> {
  try {
    return await act(await openWorld(stateDir, process.env));
  } catch (error) {
    const sentence = unwritable(error);
    throw sentence === undefined ? error : failure(sentence, 'make it writable, or choose another folder as stateDir');
  }
}

const failure = (error: string, hint: string): Api.ReapError => Object.assign(new Error(error), { hint });

const withheld = (because: string): Extract<Outcome, { kind: 'withheld' }> => ({ kind: 'withheld', because });

function wantedFrom(options: Api.ServerOptions): Wanted {
  const { plugin = 'a plugin', command = 'opencode', args = [], env = process.env, secure = false } = options;
  const port = options.port ?? DEFAULTS.port;
  if (!(Number.isInteger(port) && port >= 0 && port < 65_536))
    throw failure(`${port} is no port`, 'ports are whole numbers below 65536');
  return {
    port,
    hostname: loopback(options.hostname ?? options.host ?? DEFAULTS.hostname),
    ...sessionFrom(options),
    plugin,
    command,
    args,
    env,
    readyTimeoutMs: duration('readyTimeout', options.readyTimeout) ?? DEFAULTS.readyTimeoutMs,
    retireAfterMs: duration('retireAfter', options.retireAfter) ?? retireAfterDefault(),
    program: programBeside(fileURLToPath(import.meta.url)),
    secure,
  };
}

const sessionFrom = ({ sessionId, workspace, cwd }: Api.SessionOptions) => ({
  sessionId: (sessionId ?? process.env.CLAUDE_CODE_SESSION_ID) || undefined,
  workspace: workspaceOf(workspace ?? cwd ?? process.cwd()),
});

function attachingFrom(options: Api.AttachOptions): Attaching {
  const { sessionId: session, workspace } = sessionFrom(options);
  const { server, port = DEFAULTS.port } = options;
  return { session, claudePid: process.env.CLAUDE_PID, workspace, port, server };
}

function loopback(host: string): string {
  if (host === 'localhost') return DEFAULTS.hostname;
  if (/^127(\.\d{1,3}){3}$/.test(host)) return host;
  throw failure(`${host} is not kept to this machine`, 'only 127.x.x.x addresses are');
}

function duration(name: string, ms: number | undefined): number | undefined {
  if (ms === undefined || (Number.isFinite(ms) && ms >= 0)) return ms;
  throw failure(`${name} cannot be ${ms}`, 'times are milliseconds from 0');
}

function scopeFrom({ all, port, workspace }: Api.ReapOptions): Scope {
  if (all) return { kind: 'all', port };
  return { kind: 'workspace', workspace: hashedPlaceOf(workspaceOf(workspace ?? process.cwd())), port };
}

const retireAfterDefault = (): number =>
  parseDuration(process.env.OPENCODE_REAP_RETIRE_AFTER ?? '') ?? DEFAULTS.retireAfterMs;

/** What node can run to have a server judged: the program of the package, else this very file, which a plugin vendors. */
function programBeside(here: string): string {
  const program = join(dirname(here), 'opencode-reap.cjs');
  return existsSync(program) ? program : here;
}
