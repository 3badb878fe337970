import type { Scope } from '../decide/plan.js';
import type { Told } from './journal.js';

/** What one run looks at, and what it may stop. */
export interface RunPolicy {
  readonly dryRun: boolean;
  readonly scope: Scope;
  readonly olderThanMs: number;
  readonly graceMs: number;
  readonly limit: number;
  readonly endStrays: boolean;
  /** Set only by the watch. */
  readonly quietForMs?: number | undefined;
  readonly told?: Told | undefined;
}
