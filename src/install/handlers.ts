import { isDeepStrictEqual } from 'node:util';
import type { Member } from './document.js';

/* What our two hooks look like in Claude Code's settings, and where they are in a settings file. */

export const EVENTS = { SessionStart: 'session-start', SessionEnd: 'session-end' } as const;

export type EventName = keyof typeof EVENTS;

export const EVENT_NAMES: readonly EventName[] = ['SessionStart', 'SessionEnd'];

/** How the hook is called. */
export interface HookCall {
  readonly hook: string;
  readonly port: number | undefined;
  readonly stateDir: string | undefined;
}

/** Claude Code waits for it this long at the end of a session, at the very most; it takes a hundredth of that. */
const TIMEOUT_SECONDS = 5;

export const argsOf = (name: EventName, { hook, port, stateDir }: HookCall): string[] => [
  hook,
  'hook',
  EVENTS[name],
  ...(port === undefined ? [] : ['--port', String(port)]),
  ...(stateDir === undefined ? [] : ['--state-dir', stateDir]),
];

/** A bare `node`: the one of an npx cache or of a version manager is gone one day. */
export const groupOf = (name: EventName, call: HookCall) => ({
  hooks: [{ type: 'command', command: 'node', args: argsOf(name, call), timeout: TIMEOUT_SECONDS }],
});

/** A handler of ours, with everything around it. */
export interface Found {
  readonly name: EventName;
  readonly event: Member;
  readonly group: Member;
  readonly handlers: Member;
  readonly handler: Member;
  readonly args: Member;
  readonly command: string;
  readonly words: readonly string[];
}

/** The handlers of ours in a settings file, in the order in which they stand there. */
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
    const args = property(handler, 'args');
    const words = wordsOf(args?.value.json);
    const command = property(handler, 'command')?.value.json;
    if (!handlers || !args || typeof command !== 'string' || !isOurs(words[0], hook)) return [];
    return [{ name, event, group, handlers, handler, args, command, words }];
  });
}

/** By the path of the script: where install puts it now, or where an earlier one or a vendored copy has put it. */
const isOurs = (path: string | undefined, hook: string): boolean =>
  path !== undefined && (path === hook || /[\\/]opencode-reap[\\/](bin[\\/])?hook\.cjs$/.test(path));

const wordsOf = (json: unknown): string[] =>
  Array.isArray(json) && json.every((word) => typeof word === 'string') ? json : [];

export const isUpToDate = ({ name, words }: Found, call: HookCall): boolean =>
  isDeepStrictEqual(words, argsOf(name, call));

export const property = ({ value }: Member, key: string): Member | undefined =>
  value.members.find((member) => member.key === key);

/** Why our hooks cannot be put into or taken out of this file, as a sentence; undefined where they can. */
export function whyNot(root: Member): string | undefined {
  if (root.value.kind !== 'object') return 'it does not hold an object';
  const hooks = property(root, 'hooks');
  if (hooks && hooks.value.kind !== 'object') return '`hooks` in it is not an object';
  const events = EVENT_NAMES.flatMap((name) => (hooks && property(hooks, name)) ?? []);
  const wrong = events.find(({ value }) => value.kind !== 'array');
  if (wrong) return `\`hooks.${wrong.key}\` in it is not a list`;
  const twice = [repeated(root, 'hooks'), ...EVENT_NAMES.map((name) => hooks && repeated(hooks, name))].find(Boolean);
  return twice && `it has \`${twice}\` twice`;
}

/** Of a property that is there twice, readers take the last one or the first. */
const repeated = ({ value }: Member, key: string): string | undefined =>
  value.members.filter((member) => member.key === key).length > 1 ? key : undefined;
