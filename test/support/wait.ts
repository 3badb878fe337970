import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks until the answer is truthy, and returns it; fails with `description` after `ms`. Soon at first, then less
 * and less often: most questions go through all processes, and ten tests wait at the same time.
 */
export const waitFor = async <T>(
  description: string,
  predicate: () => T | Promise<T>,
  ms = 60_000,
): Promise<NonNullable<Exclude<T, false>>> => {
  const deadline = performance.now() + ms;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 1.3, 500)) {
    const answer = await predicate();
    if (answer) return answer as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${description}`);
    await sleep(pauseMs);
  }
};
