import type { Judged } from '../decide/plan.js';
import type { Logged } from '../report/log-line.js';
import { isoTime } from '../state/files/iso-time.js';
import { appendLog } from '../state/ours/log.js';
import type { Judgement } from './judge.js';
import type { Step } from './stop-server.js';
import type { World } from './world.js';

/** Logs what was done as soon as it is done, since this process may not survive to the end of its run. */
export function log({ folder, by, session }: World, lines: readonly Logged[]): void {
  const at = isoTime();
  appendLog(
    folder,
    lines.map((line) => ({ at, by, session, ...line })),
  );
}

/** Told what happens to each server while it happens. */
export interface Told {
  readonly begins: (server: Judgement) => void;
  readonly step?: (server: Judgement, step: Step) => void;
  readonly done: (server: Judged) => void;
}
