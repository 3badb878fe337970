import type { Looked } from './processes.js';

/** A list of processes, and when it arrived, by `performance.now()`. */
export interface Kept {
  readonly looked: Looked;
  readonly at: number;
}

export interface KeptTables {
  /** One that is good enough for the step that goes on. */
  readonly recent: () => Promise<Kept | undefined>;
  /** One that was begun after this call. */
  readonly anew: () => Promise<Kept | undefined>;
  /** Ends a step: `recent` begins with a new one. */
  readonly forget: () => void;
  /** The last one that there was, however old. */
  readonly latest: () => Promise<Kept | undefined>;
}

/** No step of a run is longer: a server that hangs is listened to for six seconds. */
const HOLDS_MS = 15_000;

/**
 * One look at a time: whoever asks while one goes on waits for the next, together with all others who do. A look that
 * failed is not kept.
 */
export function keptTables(look: () => Promise<Looked | undefined>): KeptTables {
  let kept: Kept | undefined;
  let latest: Kept | undefined;
  /** The last look that was begun; the next one waits for it. */
  let running: Promise<unknown> = Promise.resolve();
  /** A look that goes on, and was begun in this step. */
  let current: Promise<Kept | undefined> | undefined;
  let next: Promise<Kept | undefined> | undefined;

  async function begin(): Promise<Kept | undefined> {
    const looking = look();
    const ours = looking.then((looked) => {
      const done = looked && { looked, at: performance.now() };
      latest = done ?? latest;
      // What was begun before `forget` serves those who asked for it, and no others.
      if (current === ours) {
        kept = done;
        current = undefined;
      }
      return done;
    });
    next = undefined;
    current = ours;
    running = looking.catch(() => undefined);
    return ours;
  }

  const anew = (): Promise<Kept | undefined> => {
    next ??= running.then(begin);
    return next;
  };
  const isRecent = (one: Kept | undefined): one is Kept => one !== undefined && performance.now() - one.at < HOLDS_MS;
  return {
    anew,
    recent: () => (isRecent(kept) ? Promise.resolve(kept) : (current ?? anew())),
    forget: () => {
      kept = undefined;
      current = undefined;
    },
    latest: async () => latest,
  };
}
