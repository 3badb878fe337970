import { useKey } from '../decide/quiet.js';
import { forgetSilence, noteSilence } from '../state/ours/silences.js';
import type { Judgement } from './judge.js';
import type { Survey } from './survey.js';
import type { World } from './world.js';

/** Writes down since when those servers do not answer that were asked, and forgets it of those that did, or are gone. */
export function noteSilences(servers: readonly Judgement[], { written, snapshot }: Survey, { folder }: World): void {
  const known = new Set(written.silences?.keys());
  for (const { located, answered, seen } of servers) {
    if (located.kind !== 'present') continue;
    const key = useKey(located.server);
    const silent = 'silent' in seen.activity ? seen.activity.silent : undefined;
    if (silent) noteSilence(folder, snapshot.machine.boot, key, silent);
    else if (answered !== undefined && known.has(key)) forgetSilence(folder, key);
  }
  const alive = new Set([...(snapshot.processes?.values() ?? [])].map(useKey));
  for (const key of known) if (snapshot.processes !== undefined && !alive.has(key)) forgetSilence(folder, key);
}
