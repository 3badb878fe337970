import { type Edited, editAll } from './edits.js';
import { EVENT_NAMES, type EventName, type Found, findOurs, property } from './handlers.js';
import { type Edit, isBlank, type Member, parseDocument, remove } from './json-edit.js';

/** What existed before our hooks were added, and stays even if it is empty. */
export interface Had {
  readonly hooks: boolean;
  readonly events: readonly EventName[];
}

export const HAD_NOTHING: Had = { hooks: false, events: [] };

/**
 * What a settings file without our hooks already has for them to go into; undefined if it has our hooks, or cannot be
 * read.
 */
export function hadIn(text: string, hook: string): Had | undefined {
  if (isBlank(text)) return HAD_NOTHING;
  const root = parseDocument(text);
  if (root === undefined || findOurs(root, hook).length > 0) return undefined;
  const hooks = property(root, 'hooks');
  return { hooks: hooks !== undefined, events: EVENT_NAMES.filter((name) => hooks && property(hooks, name)) };
}

/** A settings file without our hooks, and without what existed only for them. */
export function takeOut(text: string, hook: string, had: Had): Edited | string {
  return editAll(text, (now, root) => nextTake(now, root, hook, had));
}

/** The largest piece that is only ours, the last one first. */
function nextTake(text: string, root: Member, hook: string, had: Had): Edit | undefined {
  const hooks = property(root, 'hooks');
  const ours = findOurs(root, hook);
  const last = ours.at(-1);
  if (hooks === undefined || last === undefined) return undefined;
  const eventGoes = (event: Member): boolean =>
    !had.events.some((name) => name === event.key) && event.value.members.every((group) => holdsOnlyOurs(group, ours));
  if (!had.hooks && hooks.value.members.every((event) => isEventOfOurs(event, ours) && eventGoes(event)))
    return remove(text, root, hooks);
  if (eventGoes(last.event)) return remove(text, hooks, last.event);
  if (holdsOnlyOurs(last.group, ours)) return remove(text, last.event, last.group);
  return remove(text, last.handlers, last.handler);
}

const isEventOfOurs = (event: Member, ours: readonly Found[]): boolean => ours.some((found) => found.event === event);

/** Whether a group has only handlers of ours. */
function holdsOnlyOurs(group: Member, ours: readonly Found[]): boolean {
  const handlers = ours.filter((found) => found.group === group);
  return handlers.length > 0 && handlers.length === handlers[0]?.handlers.value.members.length;
}
