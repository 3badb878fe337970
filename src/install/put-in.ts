import { type Edit, insert, type Member, remove, replace } from './document.js';
import { type Edited, editAll } from './edits.js';
import {
  argsOf,
  EVENT_NAMES,
  type EventName,
  type Found,
  findOurs,
  groupOf,
  type HookCall,
  isUpToDate,
  property,
} from './handlers.js';

/** A settings file with each of our hooks in it once, called as asked; a sentence where that cannot be. */
export function putIn(text: string, call: HookCall): Edited | string {
  return editAll(text, (now, root) => nextPut(now, root, call));
}

function nextPut(text: string, root: Member, call: HookCall): Edit | undefined {
  const hooks = property(root, 'hooks');
  if (hooks) return EVENT_NAMES.map((name) => nextForEvent(text, root, hooks, name, call)).find(Boolean);
  const both = Object.fromEntries(EVENT_NAMES.map((name) => [name, [groupOf(name, call)]]));
  return insert(text, root, 'hooks', both);
}

function nextForEvent(text: string, root: Member, hooks: Member, name: EventName, call: HookCall): Edit | undefined {
  const [first, second] = findOurs(root, call.hook).filter((found) => found.name === name);
  const event = property(hooks, name);
  if (event === undefined) return insert(text, hooks, name, [groupOf(name, call)]);
  if (first === undefined) return insert(text, event, undefined, groupOf(name, call));
  if (second) return removeHandler(text, second);
  // The rest of the handler is the user's to change: another node, another timeout.
  return isUpToDate(first, call) ? undefined : replace(text, first.args, argsOf(name, call));
}

const removeHandler = (text: string, { event, group, handlers, handler }: Found): Edit =>
  handlers.value.members.length === 1 ? remove(text, event, group) : remove(text, handlers, handler);
