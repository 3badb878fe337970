import type { Identity } from '../model/identity.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { type Located, locate } from './locate.js';
import { identified, NO_TREE, type Tree, treeOf } from './tree.js';

/** A record, the processes that it leads to, and their tree, all from one snapshot. */
export interface Candidate {
  readonly record: ServerRecord;
  readonly located: Located;
  /** Empty when its process was not found. */
  readonly tree: Tree;
}

export function candidateOf(record: ServerRecord, snapshot: Snapshot): Candidate {
  return candidateAt(record, locate(record, snapshot), snapshot);
}

/** The same processes as before, with their tree as a later look shows it. */
export function candidateAt(record: ServerRecord, located: Located, snapshot: Snapshot): Candidate {
  return { record, located, tree: located.kind === 'present' ? treeOf(record, located, snapshot) : NO_TREE };
}

/**
 * The processes that end with this server, each with its identity; empty when it was not found. Never ourselves, nor
 * anything above us.
 */
export const endingWith = ({ tree }: Candidate, { lineage }: Snapshot): Identity[] =>
  identified(tree.members).filter(({ pid }) => !lineage.has(pid));

/** The processes below it that stay when it is stopped. */
export const stayingAfter = ({ tree }: Candidate): Identity[] => identified(tree.left);
