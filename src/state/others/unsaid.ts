/** What an entry says nothing of; also all that is known of a list that cannot be read. */
export const UNSAID = {
  variant: undefined,
  pid: undefined,
  port: undefined,
  holders: [],
  holdersName: undefined,
  seenAt: undefined,
} as const;
