import type { Reaped } from '../decide/plan.js';
import { outlived } from './json.js';

/**
 * 0 done · 1 a stale server outlived the run, or a file could not be read · 3 `--exit-code` and something is stale.
 * Wrong usage is 2, and a server that is not there 4. The worst wins.
 */
export function exitCode({ dryRun, servers, unread }: Reaped, tellsStale: boolean): 0 | 1 | 3 {
  if (unread.length > 0 || servers.some(outlived)) return 1;
  return dryRun && tellsStale && servers.some(({ verdict }) => verdict.kind === 'stale') ? 3 : 0;
}
