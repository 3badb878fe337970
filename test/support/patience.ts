declare module 'vitest' {
  interface TaskMeta {
    readonly isOnDemand?: boolean;
  }
}

/**
 * What the default run leaves out, so that it stays below four minutes on two cores, and CI does not: EVERY_RELEASE=1
 * runs all.
 *
 * Tests that wait a minute for the kernel to forget a connection, or half an hour's worth of claims, run so only.
 */
export const isPatient = Boolean(process.env.EVERY_RELEASE);

/**
 * Whether as much is tried as in CI, as far as that is no mere waiting. global-setup.ts asks for it where a file is named,
 * since whoever does so wants to know about all that it shows.
 */
export const isThorough = isPatient || Boolean(process.env.EVERY_ROW);

/** For the title of a skipped test; empty when nothing is skipped. */
export const withoutPatience = isPatient ? '' : ' (takes a minute: EVERY_RELEASE=1 waits for it)';

/** The same for a test that shows in another way what a quicker one shows already. */
export const unlessAsked = isThorough ? '' : ' (shows more of the same: EVERY_RELEASE=1 runs it, or its file’s name)';

/** The options of such a test, of which left-out.ts says at the end where it is. */
export const onDemand = { skip: !isThorough, meta: { isOnDemand: true } };

const TODAY = Math.floor(Date.now() / 86_400_000);

/**
 * Of rows that differ in what they start, but not in what is to be seen, the first few, the last of which is another one
 * each day; on demand all.
 */
export const sampled = <T>(rows: readonly T[], most = 2): readonly T[] => {
  if (isThorough || rows.length <= most) return rows;
  const others = rows.slice(most - 1);
  return [...rows.slice(0, most - 1), ...others.slice(TODAY % others.length, (TODAY % others.length) + 1)];
};
