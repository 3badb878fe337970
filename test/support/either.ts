import { installFake } from './fake.js';
import { installOpencode, type Release } from './opencode.js';
import { isThorough } from './patience.js';
import type { Sandbox } from './sandbox.js';

export type Either = Release | 'stand-in';

/**
 * For what does not depend on what a server is made of: a stand-in, and on demand a real one after it, which takes two
 * seconds of processor time.
 */
export const standInAnd = (release: Release): readonly Either[] => (isThorough ? ['stand-in', release] : ['stand-in']);

/** Puts it on the sandbox's PATH as `opencode`. */
export const installEither = async (sandbox: Sandbox, which: Either): Promise<void> => {
  if (which === 'stand-in') await installFake(sandbox);
  else await installOpencode(sandbox, which);
};
