import { whose } from '../decide/owner.js';
import type { Judged } from '../decide/plan.js';
import type { Identity } from '../model/identity.js';
import { clean } from '../report/text.js';
import type { Key } from './prompt.js';

/* What a person who chooses from a list sees and has chosen, and what a key makes of it; how it is shown is elsewhere. */

export interface Picking {
  /** Undefined before the first look. */
  readonly servers: readonly Choice[] | undefined;
  /** The key of the row that the next key is about, as long as that row is shown. */
  readonly at: string | undefined;
  readonly chosen: ReadonlySet<string>;
  readonly filter: string;
  readonly isTyping: boolean;
  /** How far its guards have been scrolled, while those of one server are shown; undefined while the list is. */
  readonly why: number | undefined;
  /** What the last key or look has to say. */
  readonly said: string;
}

/** A server that runs, and which process that is. */
export interface Choice {
  readonly key: string;
  readonly server: Judged;
  readonly process: Identity;
}

export const NOTHING_YET: Picking = {
  servers: undefined,
  at: undefined,
  chosen: new Set(),
  filter: '',
  isTyping: false,
  why: undefined,
  said: '',
};

/** Only what runs can be stopped. A record that leads to another process than before is another choice. */
export const choicesOf = (servers: readonly Judged[]): Choice[] =>
  servers.flatMap((server) => {
    const { located } = server.seen;
    if (located.kind !== 'present') return [];
    const { pid, startToken } = located.server;
    return [{ key: `${server.record.id} ${pid} ${startToken}`, server, process: { pid, startToken } }];
  });

/** After another look. Rows stay where they are, and what is no longer there is no longer chosen. */
export function seenAnew(before: Picking, found: readonly Choice[]): Picking {
  const order = new Map(before.servers?.map(({ key }, at) => [key, at]));
  const placeOf = ({ key }: Choice): number => order.get(key) ?? order.size;
  const servers = [...found].sort((one, other) => placeOf(one) - placeOf(other));
  const keys = new Set(servers.map(({ key }) => key));
  const chosen = [...before.chosen].filter((key) => keys.has(key));
  const ended = before.chosen.size - chosen.length;
  // The row that takes its place is not the one whose guards were read.
  const why = before.at !== undefined && keys.has(before.at) ? before.why : undefined;
  const said = ended === 0 ? before.said : `${ended} of those chosen ${ended === 1 ? 'has' : 'have'} ended`;
  return { ...before, servers, chosen: new Set(chosen), why, said };
}

/** The rows that the filter lets through. */
export const visible = ({ servers = [], filter }: Picking): readonly Choice[] =>
  servers.filter(({ server }) => textOf(server).includes(filter.toLowerCase()));

const textOf = ({ record, verdict, seen: { owner, located } }: Judged): string =>
  clean(
    [
      verdict.kind,
      located.kind === 'present' ? located.server.pid : '',
      record.port ?? '',
      record.workspace ?? '',
      whose(owner),
      record.plugin ?? '',
    ].join(' '),
  ).toLowerCase();

/** The row that the next key is about; undefined where there is none. */
export function current(picking: Picking): Choice | undefined {
  const rows = visible(picking);
  return rows.find(({ key }) => key === picking.at) ?? rows[0];
}

/** What was chosen, in the order of the list. */
export const chosenIn = ({ servers = [], chosen }: Picking): readonly Choice[] =>
  servers.filter(({ key }) => chosen.has(key));

export type Pressed = Picking | 'stop' | 'leave';

/**
 * Letters are commands, as in `less`, `htop` and `k9s`, and `/` begins a filter. So does a digit: a port or a pid is
 * what most people look for, and no command is one. `furthest` is how far the guards of a server can be scrolled.
 */
export function press(before: Picking, key: Key, furthest: number): Pressed {
  const picking = { ...before, said: '' };
  if (picking.why !== undefined) return inWhy(picking, Math.min(picking.why, furthest), furthest, key);
  if (key.name === 'up') return moved(picking, -1);
  if (key.name === 'down') return moved(picking, 1);
  return picking.isTyping ? whileTyping(picking, key) : inList(picking, key);
}

function inList(picking: Picking, { text, name }: Key): Pressed {
  if (name === 'escape' && picking.filter !== '') return { ...picking, filter: '' };
  if (name === 'escape' || text === 'q') return 'leave';
  if (name === 'return') return picking.chosen.size > 0 ? 'stop' : { ...picking, said: 'nothing is chosen yet' };
  if (text === ' ') return toggled(picking);
  if (text === 'w') return current(picking) ? { ...picking, at: current(picking)?.key, why: 0 } : picking;
  if (text === '/') return { ...picking, isTyping: true };
  return text !== undefined && /^\d$/.test(text) ? { ...picking, isTyping: true, filter: text } : picking;
}

/** Longer ones fit nothing. */
const LONGEST_FILTER = 60;

function whileTyping(picking: Picking, { text, name }: Key): Picking {
  const { filter } = picking;
  if (name === 'escape') return { ...picking, isTyping: false, filter: '' };
  if (name === 'return') return { ...picking, isTyping: false };
  if (name === 'backspace') return { ...picking, isTyping: filter !== '', filter: filter.slice(0, -1) };
  const isTyped = text !== undefined && text >= ' ' && text !== '\u007f' && clean(text) === text;
  return isTyped ? { ...picking, filter: `${filter}${text}`.slice(0, LONGEST_FILTER) } : picking;
}

function inWhy(picking: Picking, above: number, furthest: number, { text, name }: Key): Picking {
  if (name === 'up') return { ...picking, why: Math.max(0, above - 1) };
  if (name === 'down') return { ...picking, why: Math.min(furthest, above + 1) };
  const isOver = text === 'w' || text === 'q' || name === 'escape' || name === 'return';
  return isOver ? { ...picking, why: undefined } : picking;
}

/** Whoever moves has finished typing. */
function moved(picking: Picking, by: number): Picking {
  const rows = visible(picking);
  const now = rows.findIndex(({ key }) => key === current(picking)?.key);
  const next = Math.min(Math.max(0, now + by), rows.length - 1);
  return { ...picking, isTyping: false, at: rows[next]?.key ?? picking.at };
}

function toggled(picking: Picking): Picking {
  const row = current(picking);
  if (row === undefined) return picking;
  const chosen = new Set(picking.chosen);
  if (!chosen.delete(row.key)) chosen.add(row.key);
  return { ...picking, at: row.key, chosen };
}
