import { fstatSync } from 'node:fs';
import { DEFAULT_PORT, OLDEST_NODE } from '../common/defaults.js';
import { parseDuration } from '../common/duration.js';
import { tryRead } from '../common/errors.js';
import type { Variables } from '../common/variables.js';
import { sharesTime } from '../decide/start-tokens.js';
import type { BootTime } from '../model/boot-time.js';
import type { Identity } from '../model/identity.js';
import { sameProcess } from '../model/identity.js';
import { bootMs } from '../observe/boot-clock.js';
import { type Glance, glance } from '../observe/glance.js';
import { workspaceAtOnce } from '../observe/workspace-at-once.js';
import { port } from '../state/files/parse.js';
import { chosenRoot, type StateFolder, stateFolder } from '../state/folders.js';
import { holderOfBackgroundRun, isVoid } from '../state/ours/claims.js';
import { removeLeases } from '../state/ours/leases.js';
import { leaveRequest } from '../state/ours/requests.js';
import { holderAbove } from './holder.js';
import { type HookInput, readInput } from './hook-input.js';
import { type LeaseFile, leaseOf, writeLease } from './lease.js';
import { tellNotice } from './notice.js';

/*
 * What Claude Code runs when a session begins and when it ends. It shares 1.5 s with all other hooks, so it only writes
 * down what happened and, at most, starts the background run. It prints nothing, since that would go into the model's
 * context, except for what only the person sees (notice.ts). It never fails a session.
 */

export interface HookCall {
  readonly event: string;
  readonly port: number;
  readonly stateDir: string | undefined;
  /** The descriptor on which the person can be told something; undefined where none leads there. */
  readonly notice: number | undefined;
  readonly env: Variables;
  /** Starts the background run without waiting for it. */
  readonly startBackground: (stateDir: string | undefined) => Promise<void>;
}

const DEFAULT_LINGER_MS = 20_000;

export function runHook(call: HookCall, exit: (code: number) => void): void {
  // The background run would not work, and the line that called us may know another node.
  const isOld = Number.parseInt(process.versions.node, 10) < OLDEST_NODE;
  if (isOld && (call.event === 'doctor' || isUnseen())) {
    exit(1);
    return;
  }
  readInput((input) => {
    void carryOut(call, input).finally(() => exit(0));
  });
}

/**
 * Whether a failure is invisible: in a line that tries one node after the other it is, but not when a client calls us
 * directly.
 */
const isUnseen = (): boolean => fstatSync(2).isCharacterDevice();

async function carryOut(call: HookCall, input: HookInput): Promise<void> {
  const folder = stateFolder(chosenRoot(call.stateDir, call.env));
  await handle(call, input, folder).catch((error: unknown) => logFailure(call, folder, error));
}

async function handle(call: HookCall, input: HookInput, folder: StateFolder): Promise<void> {
  if (call.event === 'session-start') return sessionStart(call, input, folder);
  if (call.event === 'session-end') return sessionEnd(call, input, folder);
  if (call.event === 'doctor') return rehearse(call, input, folder);
  throw new Error(`no such event: ${call.event}`);
}

/** Writes or renews the lease of this Claude process, and requests a look at what an earlier one left behind. */
async function sessionStart(call: HookCall, input: HookInput, folder: StateFolder): Promise<void> {
  const seen = await glance({ boot: true });
  writeLease(leaseFor(call, input, folder, seen));
  // `clear` and `compact` go on in the same process, so nothing has ended.
  if (input.source !== 'clear' && input.source !== 'compact') await request(call, input, undefined, folder, seen);
  tellNotice(call.notice, call.env, folder);
}

/** A lease with an identity ends with its process, and never here: a nested client inherits its outer one's pid. */
async function sessionEnd(call: HookCall, input: HookInput, folder: StateFolder): Promise<void> {
  if (input.reason === 'clear' || input.reason === 'resume') return;
  // A request without its boot lingers from when a run first sees it.
  const seen = await glance({ boot: false });
  const holder = holderOf(call, seen);
  if (holder === undefined) removeLeases(folder, undefined, sessionOf(call, input));
  await request(call, input, holder, folder, seen);
}

/** Everything that a start does except writing, so that `doctor` can measure how long a hook takes here. */
async function rehearse(call: HookCall, input: HookInput, folder: StateFolder): Promise<void> {
  const seen = await glance({ boot: true });
  leaseFor(call, input, folder, seen);
  isSwept(folder, seen);
}

const holderOf = ({ env }: HookCall, { look }: Glance): Identity | undefined =>
  holderAbove(process.ppid, env.CLAUDE_PID, look);

const sessionOf = ({ env }: HookCall, { session }: HookInput): string | undefined =>
  session ?? (env.CLAUDE_CODE_SESSION_ID || undefined);

function leaseFor(call: HookCall, input: HookInput, folder: StateFolder, seen: Glance): LeaseFile {
  const holder = holderOf(call, seen);
  const { port } = call;
  const owner = { holder: holder && { ...holder, machine: seen.host() }, session: sessionOf(call, input) };
  const besides = port === DEFAULT_PORT ? undefined : { port };
  return leaseOf(owner, { cwd: workspaceHere(call, input), port, servers: [] }, besides, folder);
}

/** The name of a removed folder is known only to the shell. */
function workspaceHere({ env }: HookCall, input: HookInput): string | undefined {
  const cwd = input.cwd ?? tryRead(() => process.cwd()) ?? env.PWD;
  return cwd === undefined ? undefined : workspaceAtOnce(cwd);
}

/**
 * The request is written before a run is looked for, and a run looks once more after giving up its claim: none is lost.
 */
async function request(
  call: HookCall,
  input: HookInput,
  ending: Identity | undefined,
  folder: StateFolder,
  seen: Glance,
): Promise<void> {
  leaveRequest(folder, {
    at: Date.now(),
    since: now(seen),
    event: call.event,
    session: sessionOf(call, input),
    ending: ending && { ...ending, timeNamespace: seen.host().timeNamespace },
    configDir: call.env.CLAUDE_CONFIG_DIR || undefined,
    dataDir: call.env.CLAUDE_PLUGIN_DATA || undefined,
    pluginsDir: call.env.CLAUDE_CODE_PLUGIN_CACHE_DIR || undefined,
    tmpDir: call.env.CLAUDE_CODE_TMPDIR || undefined,
    lingerMs: parseDuration(call.env.OPENCODE_REAP_LINGER ?? '') ?? DEFAULT_LINGER_MS,
    olderThanMs: parseDuration(call.env.OPENCODE_REAP_OLDER_THAN ?? ''),
  });
  if (!isSwept(folder, seen)) await call.startBackground(call.stateDir);
}

/**
 * A frozen run serves no requests: the one that is started then takes over its claim. Where only pids can be looked at, a
 * claim that is renewed is taken for the run's.
 */
function isSwept(folder: StateFolder, seen: Glance): boolean {
  const run = holderOfBackgroundRun(folder);
  const there = run && seen.look(run.holder.pid);
  if (run === undefined || typeof there !== 'object') return false;
  const isSame = there.startToken === undefined || sameProcess(run.holder, there) === 'same';
  if (!isSame) return false;
  return sharesTime(run.machine.timeNamespace, seen.host().timeNamespace) && !isVoid(run, 'yes', now(seen));
}

const now = ({ host }: Glance): BootTime => ({ boot: host().boot, ms: bootMs() });

async function logFailure(call: HookCall, folder: StateFolder, error: unknown): Promise<void> {
  const log = await import('../state/ours/log.js');
  log.noteFailure(
    folder,
    'hook failed',
    `hook ${call.event}: ${error instanceof Error ? error.message : String(error)}`,
  );
}

/** `hook <event> [--port <port>] [--state-dir <dir>] [--notice <descriptor>]`; anything invalid is left at its default. */
export function parseHookCall(
  args: readonly string[],
  env: Variables,
  startBackground: HookCall['startBackground'],
): HookCall {
  const value = (name: string): string | undefined => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args[at + 1];
  };
  return {
    event: args[0] ?? '',
    port: port(Number(value('--port'))) ?? DEFAULT_PORT,
    stateDir: value('--state-dir'),
    notice: /^[1-9]$/.test(value('--notice') ?? '') ? Number(value('--notice')) : undefined,
    env,
    startBackground,
  };
}
