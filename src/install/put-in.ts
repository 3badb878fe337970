import { type Edited, editAll } from './edits.js';
import {
  EVENT_NAMES,
  type EventName,
  type Found,
  findOurs,
  groupOf,
  type HookCall,
  mended,
  property,
} from './handlers.js';
import { type Edit, insert, type Member, remove, replace } from './json-edit.js';

/** A settings file with each of our hooks exactly once, called as asked; a sentence if that is not possible. */
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
  const all = findOurs(root, call.hook).filter((found) => found.name === name);
  const event = property(hooks, name);
  if (event === undefined) return insert(text, hooks, name, [groupOf(name, call)]);
  // One stays: one that is already right, else one that says more than a remnant does.
  const stays =
    all.find((found) => mended(found, call) === undefined) ?? all.find(({ form }) => form !== 'remnant') ?? all[0];
  if (stays === undefined) return insert(text, event, undefined, groupOf(name, call));
  const second = all.find((found) => found !== stays);
  return second ? removeHandler(text, second) : mend(text, stays, call);
}

/**
 * The rest of the handler is the user's to change: another node, another timeout. After each step it is still
 * recognizable as ours.
 */
function mend(text: string, found: Found, call: HookCall): Edit | undefined {
  const wanted = mended(found, call);
  const command = property(found.handler, 'command');
  if (wanted === undefined || command === undefined) return undefined;
  const args = property(found.handler, 'args');
  if (wanted.args && args === undefined) return insert(text, found.handler, 'args', wanted.args);
  if (command.value.json !== wanted.command) return replace(text, command, wanted.command);
  if (args === undefined) return undefined;
  return wanted.args ? replace(text, args, wanted.args) : remove(text, found.handler, args);
}

const removeHandler = (text: string, { event, group, handlers, handler }: Found): Edit =>
  handlers.value.members.length === 1 ? remove(text, event, group) : remove(text, handlers, handler);
