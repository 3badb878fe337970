/**
 * Tests that wait a minute for the kernel to forget a connection, or half an hour's worth of claims, run on demand
 * only: with EVERY_RELEASE, as in CI.
 */
export const isPatient = Boolean(process.env.EVERY_RELEASE);

/** For the title of a skipped test; empty when nothing is skipped. */
export const withoutPatience = isPatient ? '' : ' (takes a minute: EVERY_RELEASE=1 waits for it)';

/** The same for a test that shows in another way what a quicker one shows already. */
export const unlessAsked = isPatient ? '' : ' (shows more of the same: EVERY_RELEASE=1 runs it)';

/** Of rows that differ in what they start, but not in what is to be seen, the first few; on demand all. */
export const sampled = <T>(rows: readonly T[], most = 2): readonly T[] => (isPatient ? rows : rows.slice(0, most));
