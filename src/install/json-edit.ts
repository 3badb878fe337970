import { getNodeValue, type Node, type ParseError, parseTree } from 'jsonc-parser';

/*
 * A JSON text as it is, and edits to it that leave every other byte in place. An insertion is one piece, and removing
 * it again removes exactly that piece, however the file around it is laid out.
 */

/** A value at one place in a JSON text. */
export interface Value {
  readonly offset: number;
  readonly end: number;
  readonly kind: 'object' | 'array' | 'scalar';
  readonly members: readonly Member[];
  readonly json: unknown;
}

/** A property (from its key on) or an element. */
export interface Member {
  readonly offset: number;
  readonly end: number;
  readonly key: string | undefined;
  readonly value: Value;
}

export interface Edit {
  readonly offset: number;
  readonly length: number;
  readonly content: string;
}

/** As `touch` leaves it. Claude Code silently takes it for `{}`. */
export const isBlank = (text: string): boolean => text.trim() === '';

/** The whole text as one member; undefined if it is not strict JSON, or nested more deeply than anyone writes it. */
export function parseDocument(text: string): Member | undefined {
  const errors: ParseError[] = [];
  try {
    const root = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false });
    return root === undefined || errors.length > 0 ? undefined : memberOf(root);
  } catch (error) {
    // The parser calls itself for each level, until the stack is full.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function memberOf(node: Node): Member {
  const [key, value] = node.type === 'property' ? (node.children ?? []) : [];
  const name: unknown = key?.value;
  return {
    offset: node.offset,
    end: node.offset + node.length,
    key: typeof name === 'string' ? name : undefined,
    value: described(value ?? node),
  };
}

const described = (node: Node): Value => ({
  offset: node.offset,
  end: node.offset + node.length,
  kind: node.type === 'object' || node.type === 'array' ? node.type : 'scalar',
  members: (node.children ?? []).map(memberOf),
  json: getNodeValue(node),
});

export const apply = (text: string, { offset, length, content }: Edit): string =>
  text.slice(0, offset) + content + text.slice(offset + length);

/** Inserts a member after the last one, on lines of its own if the others have lines of their own. */
export function insert(text: string, into: Member, key: string | undefined, json: unknown): Edit {
  const last = into.value.members.at(-1);
  const own = indentAt(text, into.offset);
  const inner = last ? indentAt(text, last.offset) : own === undefined ? undefined : own + unitOf(text);
  const name = key === undefined ? '' : `${JSON.stringify(key)}:${inner === undefined ? '' : ' '}`;
  const item = (inner === undefined ? '' : eolOf(text) + inner) + name + render(text, json, inner);
  if (last) return { offset: last.end, length: 0, content: `,${item}` };
  const tail = inner === undefined ? '' : eolOf(text) + own;
  return { offset: into.value.offset + 1, length: 0, content: item + tail };
}

/** Removes a member, with the comma and the line breaks that came with it. */
export function remove(text: string, from: Member, member: Member): Edit {
  const { members, offset } = from.value;
  const at = members.indexOf(member);
  const previous = members[at - 1];
  const next = members[at + 1];
  if (previous) return cut(previous.end, member.end);
  if (next) return cut(member.offset, next.offset);
  const tail = eolOf(text) + (indentAt(text, from.offset) ?? '');
  const ownLines = /[\r\n]/.test(text.slice(offset, member.offset)) && text.startsWith(tail, member.end);
  return cut(offset + 1, member.end + (ownLines ? tail.length : 0));
}

const cut = (from: number, to: number): Edit => ({ offset: from, length: to - from, content: '' });

/** Gives a property another value, on as many lines as the old one has. */
export function replace(text: string, { offset, end, value }: Member, json: unknown): Edit {
  const broken = /[\r\n]/.test(text.slice(value.offset, value.end));
  const content = text.slice(offset, value.offset) + render(text, json, broken ? indentAt(text, offset) : undefined);
  return { offset, length: end - offset, content };
}

/** Formatted like its neighbors: on one line, or indented. */
function render(text: string, json: unknown, indent: string | undefined): string {
  if (indent === undefined) return JSON.stringify(json);
  const unit = unitOf(text);
  const lines = JSON.stringify(json, null, '\t').split('\n');
  return lines.map((line) => line.replace(/^\t*/, (tabs) => unit.repeat(tabs.length))).join(eolOf(text) + indent);
}

/** The white space before a place that starts its line; undefined if anything else comes before it. */
function indentAt(text: string, offset: number): string | undefined {
  const before = /(^|[\r\n])([ \t]*)$/.exec(text.slice(0, offset));
  return before?.[2];
}

const eolOf = (text: string): string => /\r?\n/.exec(text)?.[0] ?? '\n';

/** One step of the file's own indentation. */
function unitOf(text: string): string {
  const first = parseDocument(text)?.value.members[0];
  return (first && indentAt(text, first.offset)) ?? '  ';
}
