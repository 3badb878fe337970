import { existsSync } from 'node:fs';
import bundled from 'ps-list';

/*
 * In place of ps-list in the program and in the library. Both have a copy of it in them, for where no packages lie beside
 * them. On Windows it starts a helper that lies beside its own sources, where the copy does not find it, so there the
 * installed package is asked: 200 bytes, and no time elsewhere. Safe because that one is imported only when the copy has
 * failed, and is the same version.
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
