import { existsSync } from 'node:fs';
import bundled from 'ps-list';

/*
 * ps-list in the program and in the library. Where it starts `ps`, the copy in the bundle does. On Windows it starts a
 * helper that lies beside its own sources, which that copy does not find, so the installed one is asked. Loading it saves
 * nothing elsewhere: it is imported only when the other has failed.
 */
export default async function psList(): ReturnType<typeof bundled> {
  return bundled().catch(async (error: unknown) => {
    if (!isInPackage()) throw error;
    const installed = await import('ps-list');
    return installed.default();
  });
}

/**
 * A copy of the bundle has no packages beside it. Node would look for one in every folder above, up to the root of the
 * disk, where on Windows any user may put one.
 */
const isInPackage = (): boolean => existsSync(new URL('../package.json', import.meta.url));
