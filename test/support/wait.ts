import { setTimeout as sleep } from 'node:timers/promises';

/** Asks every 50 ms until the answer is truthy, and returns that; fails with `description` after `ms`. */
export const waitFor = async <T>(
  description: string,
  predicate: () => T | Promise<T>,
  ms = 30_000,
): Promise<NonNullable<Exclude<T, false>>> => {
  const deadline = performance.now() + ms;
  for (;;) {
    const answer = await predicate();
    if (answer) return answer as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${description}`);
    await sleep(50);
  }
};
