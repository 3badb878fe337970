import { whyNot } from './handlers.js';
import { apply, type Edit, type Member, parseDocument } from './json-edit.js';

/**
 * What the user is shown of an edit: the line, and what is removed and added. Never anything of their own next to it.
 */
export interface Step {
  readonly line: number;
  readonly removed: string;
  readonly added: string;
}

export interface Edited {
  readonly text: string;
  /** Empty if everything is already right. */
  readonly steps: readonly Step[];
}

/** Edits a settings file until there is nothing left to edit; a sentence if it cannot be edited. */
export function editAll(original: string, next: (text: string, root: Member) => Edit | undefined): Edited | string {
  const steps: Step[] = [];
  let text = original;
  for (;;) {
    const root = parseDocument(text);
    const refusal = root ? whyNot(root) : 'it is not valid JSON';
    if (root === undefined || refusal) return refusal ?? '';
    const edit = next(text, root);
    if (edit === undefined) return { text, steps };
    steps.push(stepOf(text, edit));
    text = apply(text, edit);
  }
}

function stepOf(text: string, { offset, length, content }: Edit): Step {
  const before = text.slice(0, offset);
  const removed = text.slice(offset, offset + length);
  const indent = /(^|[\r\n])([ \t]*)$/.exec(before)?.[2] ?? '';
  const begunLines = `${before}${/^,?\s*/.exec(removed || content)?.[0] ?? ''}`.split(/\r?\n/).length;
  return { line: begunLines, removed: bare(indent + removed), added: bare(indent + content) };
}

/** Without the comma and the line breaks around it, which are only punctuation. */
const bare = (piece: string): string => piece.replace(/^[ \t]*,?[ \t]*[\r\n]+|^,|,?\s*$/g, '');
