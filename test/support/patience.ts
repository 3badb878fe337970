/**
 * What waits a minute for the kernel to forget a connection, or half an hour's worth of claims, is on demand: EVERY_RELEASE
 * takes it along, as CI does.
 */
export const isPatient = Boolean(process.env.EVERY_RELEASE);

/** For the title of what is left out: empty where nothing is. */
export const withoutPatience = isPatient ? '' : ' (takes a minute: EVERY_RELEASE=1 waits for it)';
