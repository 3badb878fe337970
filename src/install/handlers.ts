import { isDeepStrictEqual } from 'node:util';
import type { Member } from './json-edit.js';
import { alternativesOf, lineOf, TO_CALLER } from './shell-line.js';

/* What our two hooks look like in Claude Code's settings, and how to find them in a settings file. */

export const EVENTS = { SessionStart: 'session-start', SessionEnd: 'session-end' } as const;

export type EventName = keyof typeof EVENTS;

export const EVENT_NAMES: readonly EventName[] = ['SessionStart', 'SessionEnd'];

/** How the hook is called. */
export interface HookCall {
  readonly hook: string;
  readonly port: number | undefined;
  readonly stateDir: string | undefined;
  /** A line for a shell; on Windows, where the shell need not be a POSIX one, a command with `args`. */
  readonly form: 'shell' | 'exec';
  /** A node that is new enough, in case the one on the PATH is missing or too old. */
  readonly otherNode: string | undefined;
  readonly isThere: (file: string) => boolean;
}

/** The longest that Claude Code waits for it at the end of a session; it takes a hundredth of that. */
const TIMEOUT_SECONDS = 5;

const argsOf = (name: EventName, { hook, port, stateDir, form }: HookCall): string[] => [
  hook,
  'hook',
  EVENTS[name],
  ...(port === undefined ? [] : ['--port', String(port)]),
  ...(stateDir === undefined ? [] : ['--state-dir', stateDir]),
  ...(isHeard(name) ? ['--notice', String(form === 'shell' ? TO_CALLER : STDOUT)] : []),
];

/** At the end of a session, what a hook says is shown to no one. */
const isHeard = (name: EventName): boolean => name === 'SessionStart';

const STDOUT = 1;

/** What one of our handlers runs. */
export interface Command {
  readonly command: string;
  readonly args?: readonly string[];
}

/** A bare `node` comes first: the node of an npx cache or of a version manager disappears one day. */
const NODE = ['node'];

export function commandOf(name: EventName, call: HookCall, runner: readonly string[] = NODE, kept?: string): Command {
  const args = argsOf(name, call);
  const [program = ''] = runner;
  if (call.form === 'exec') return { command: program, args };
  const other = kept !== undefined && call.isThere(kept) ? kept : call.otherNode;
  const runners = other === undefined || (runner.length === 1 && other === program) ? [runner] : [runner, [other]];
  const commands = runners.map((words) => [...words, ...args]);
  return { command: lineOf(commands, isHeard(name)) };
}

export const groupOf = (name: EventName, call: HookCall) => ({
  hooks: [{ type: 'command', ...commandOf(name, call), timeout: TIMEOUT_SECONDS }],
});

/** One of our handlers, with everything around it. */
export interface Found {
  readonly name: EventName;
  readonly event: Member;
  readonly group: Member;
  readonly handlers: Member;
  readonly handler: Member;
  /** A remnant is what a client that does not know `args` leaves of the form that has them. */
  readonly form: 'shell' | 'exec' | 'remnant';
  /** What runs the script: `node`, or what the user has put in its place. */
  readonly runner: readonly string[];
  /** The script and its arguments; a remnant has none. */
  readonly words: readonly string[];
  readonly otherNode: string | undefined;
}

/** Our handlers in a settings file, in file order. */
export function findOurs(root: Member, hook: string): Found[] {
  const hooks = property(root, 'hooks');
  return EVENT_NAMES.flatMap((name) => {
    const event = hooks && property(hooks, name);
    return event ? event.value.members.flatMap((group) => inGroup(name, event, group, hook)) : [];
  });
}

function inGroup(name: EventName, event: Member, group: Member, hook: string): Found[] {
  const handlers = property(group, 'hooks');
  return (handlers?.value.members ?? []).flatMap((handler) => {
    const command = property(handler, 'command')?.value.json;
    if (!handlers || typeof command !== 'string') return [];
    const args = property(handler, 'args')?.value.json;
    const called = inShell(command, hook) ?? inExec(command, args, hook) ?? remnant(group, handler);
    return called ? [{ name, event, group, handlers, handler, ...called }] : [];
  });
}

/** How a handler calls the hook. */
export type Invocation = Pick<Found, 'form' | 'runner' | 'words' | 'otherNode'>;

/** A line that only calls our script: a line that does more is the user's own. */
function inShell(line: string, hook: string): Invocation | undefined {
  const [first, ...rest] = (alternativesOf(line) ?? []).map((words) => callIn(words, hook) ?? words);
  if (first === undefined || Array.isArray(first)) return undefined;
  const calls = rest.flatMap((other) => (Array.isArray(other) ? [] : other));
  const others = rest.filter((other) => Array.isArray(other) && !['true', ':'].includes(other.join(' ')));
  if (others.length > 0) return undefined;
  const [second] = calls;
  return { form: 'shell', ...first, otherNode: second?.runner.length === 1 ? second.runner[0] : undefined };
}

function callIn(words: readonly string[], hook: string): Pick<Found, 'runner' | 'words'> | undefined {
  const at = words.findIndex((word, n) => isOurs(word, hook) && words[n + 1] === 'hook');
  return at < 1 ? undefined : { runner: words.slice(0, at), words: words.slice(at) };
}

function inExec(command: string, args: unknown, hook: string): Invocation | undefined {
  const isList = Array.isArray(args) && args.every((word) => typeof word === 'string');
  if (!isList || !isOurs(args[0], hook)) return undefined;
  return { form: 'exec', runner: [command], words: args, otherNode: undefined };
}

/**
 * No one has such a handler on purpose: node reads the event on its standard input as a program, which is a syntax
 * error. The timeout that we set, and a group without a matcher, like ours, distinguish it from the same kind of
 * remnant of another hook, which is its owner's to fix.
 */
function remnant(group: Member, handler: Member): Invocation | undefined {
  const left = { type: 'command', command: 'node', timeout: TIMEOUT_SECONDS };
  const is = handler.value.members.map(({ key = '', value }) => [key, value.json] as const);
  const isLeft = isDeepStrictEqual(Object.fromEntries(is), left);
  if (!isLeft || property(group, 'matcher')?.value.json) return undefined;
  return { form: 'remnant', runner: NODE, words: [], otherNode: undefined };
}

const HOOK_PATH = /[\\/]opencode-reap[\\/](bin[\\/])?hook\.cjs\b/;

/** By the path of the script: where install puts it now, or where an earlier install or a vendored copy has put it. */
const isOurs = (path: string | undefined, hook: string): boolean =>
  path !== undefined && (path === hook || (HOOK_PATH.test(path) && path.endsWith('hook.cjs')));

/** Whether anything in these settings, for example a line that the user wrote, names the script that install copied. */
export function mentions(json: unknown, hook: string): boolean {
  if (typeof json === 'string') return json.includes(hook) || (/[$~]/.test(json) && HOOK_PATH.test(json));
  return typeof json === 'object' && json !== null && Object.values(json).some((value) => mentions(value, hook));
}

/** What this handler should run instead; undefined if it is right. */
export function mended(found: Found, call: HookCall): Command | undefined {
  const wanted = commandOf(found.name, call, found.runner, found.otherNode);
  const command = property(found.handler, 'command')?.value.json;
  const args = property(found.handler, 'args')?.value.json;
  return command === wanted.command && isDeepStrictEqual(args, wanted.args) ? undefined : wanted;
}

export const property = ({ value }: Member, key: string): Member | undefined =>
  value.members.find((member) => member.key === key);

/** Why our hooks cannot be put into or removed from this file, as a sentence; undefined if they can. */
export function whyNot(root: Member): string | undefined {
  if (root.value.kind !== 'object') return 'it is not a JSON object';
  const hooks = property(root, 'hooks');
  if (hooks && hooks.value.kind !== 'object') return 'its `hooks` is not an object';
  const events = EVENT_NAMES.flatMap((name) => (hooks && property(hooks, name)) ?? []);
  const wrong = events.find(({ value }) => value.kind !== 'array');
  if (wrong) return `its \`hooks.${wrong.key}\` is not a list`;
  const twice = [repeated(root, 'hooks'), ...EVENT_NAMES.map((name) => hooks && repeated(hooks, name))].find(Boolean);
  return twice && `it has \`${twice}\` twice`;
}

/** If a property occurs twice, some readers take the last one and some the first. */
const repeated = ({ value }: Member, key: string): string | undefined =>
  value.members.filter((member) => member.key === key).length > 1 ? key : undefined;
