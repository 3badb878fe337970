import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { type Located, locate } from './locate.js';
import { NO_TREE, type Tree, treeOf } from './tree.js';

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
