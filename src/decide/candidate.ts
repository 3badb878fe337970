import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { type Located, locate } from './locate.js';
import { NO_TREE, type Tree, treeOf } from './tree.js';

/** A record, the processes that it leads to, and what runs with those: all as one snapshot shows them. */
export interface Candidate {
  readonly record: ServerRecord;
  readonly located: Located;
  /** Empty where its process was not found. */
  readonly tree: Tree;
}

export function candidateOf(record: ServerRecord, snapshot: Snapshot): Candidate {
  return candidateAt(record, locate(record, snapshot), snapshot);
}

/** The same processes as before, with what a later look shows of what runs with them. */
export function candidateAt(record: ServerRecord, located: Located, snapshot: Snapshot): Candidate {
  return { record, located, tree: located.kind === 'present' ? treeOf(record, located, snapshot) : NO_TREE };
}
