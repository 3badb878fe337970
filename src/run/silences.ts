import { endsSilence, useKey } from '../decide/quiet.js';
import type { SilentSince } from '../model/silence.js';
import { forgetSilence, noteSilence } from '../state/ours/silences.js';
import type { Judgement } from './judge.js';
import type { Survey } from './survey.js';
import type { World } from './world.js';

/**
 * Records since when servers have been silent, and forgets it of those that have answered, were in use, or are gone. A
 * silence is one only if every look has found it.
 */
export function noteSilences(servers: readonly Judgement[], { written, snapshot }: Survey, { folder }: World): void {
  const known = new Set(written.silences?.keys());
  for (const { located, seen } of servers) {
    if (located.kind !== 'present') continue;
    const key = useKey(located.server);
    const { silent }: { readonly kind: string; readonly silent?: SilentSince } = seen.activity;
    if (silent) noteSilence(folder, snapshot.machine, key, silent);
    else if (known.has(key) && endsSilence(seen)) forgetSilence(folder, key);
  }
  const alive = new Set([...(snapshot.processes?.values() ?? [])].map(useKey));
  for (const key of known) if (snapshot.processes !== undefined && !alive.has(key)) forgetSilence(folder, key);
}
