/**
 * Tests that wait a minute for the kernel to forget a connection, or half an hour's worth of claims, run on demand
 * only: with EVERY_RELEASE, as in CI.
 */
export const isPatient = Boolean(process.env.EVERY_RELEASE);

/** For the title of a skipped test; empty when nothing is skipped. */
export const withoutPatience = isPatient ? '' : ' (takes a minute: EVERY_RELEASE=1 waits for it)';
