import { count } from '../common/text.js';
import type { Outcome } from '../model/outcome.js';
import type { ServerRecord } from '../model/record.js';
import type { Place } from '../model/snapshot.js';
import type { Skipped, Unread } from '../model/written.js';
import type { Evidence } from './evidence.js';
import { within } from './leases.js';
import type { Verdict } from './verdict.js';

export interface Judged {
  readonly record: ServerRecord;
  readonly seen: Evidence;
  readonly verdict: Verdict;
  /** Undefined for a server that was not to be stopped. */
  readonly outcome: Outcome | undefined;
}

/** A plugin's record of a server that has ended. It is not ours to remove, so every run would report it again. */
export const isHistory = ({ record, verdict }: Judged): boolean =>
  verdict.kind === 'gone' && record.source.format !== 'native';

export type Scope =
  | { readonly kind: 'all'; readonly port: number | undefined }
  | { readonly kind: 'workspace'; readonly workspace: Place; readonly port: number | undefined };

/** A whole run, as it is reported. */
export interface Reaped {
  readonly dryRun: boolean;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly scope: Scope;
  readonly policy: { readonly olderThanMs: number; readonly graceMs: number; readonly limit: number };
  readonly servers: readonly Judged[];
  readonly unread: readonly Unread[];
  readonly skipped: readonly Skipped[];
  /** Servers of ours that are not recorded: reported, and left alone. */
  readonly unrecorded: readonly Judged[];
  /** Stale servers of other workspaces, which this run left alone. */
  readonly staleElsewhere: number;
}

export const inScope = (scope: Scope, record: ServerRecord, places: ReadonlyMap<string, Place>): boolean =>
  (scope.port === undefined || scope.port === record.port) &&
  (scope.kind === 'all' || [record, ...record.alsoIn].some((one) => inWorkspace(scope.workspace, one, places)));

/** A server of a folder inside the workspace belongs to the workspace; a server of a folder around it does not. */
function inWorkspace(
  workspace: Place,
  { workspace: path, workspaceHash: hash }: ServerRecord,
  places: ReadonlyMap<string, Place>,
): boolean {
  if (hash !== undefined && workspace.hashes.some((whole) => whole.startsWith(hash))) return true;
  return path !== undefined && within(places.get(path)?.real ?? path, workspace.real);
}

/** Too many stale servers at once suggest an error in what was seen, so then none is stopped. */
export function planStops<Server extends Pick<Judged, 'verdict'>>(
  servers: readonly Server[],
  limit: number,
): { readonly stop: readonly Server[]; readonly overLimit: Outcome | undefined } {
  const stale = servers.filter(({ verdict }) => verdict.kind === 'stale');
  if (stale.length <= limit) return { stop: stale, overLimit: undefined };
  return {
    stop: [],
    overLimit: {
      kind: 'withheld',
      because: `${count(stale.length, 'server is', 'servers are')} stale, more than --limit ${limit}; --limit ${stale.length} stops them`,
      overLimit: true,
    },
  };
}
