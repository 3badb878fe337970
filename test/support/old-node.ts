import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One that cannot parse our syntax, and one that can but is still too old. */
export const OLD_NODES = ['12.22.12', '16.20.2'] as const;
export type OldNode = (typeof OLD_NODES)[number];

const PACKAGE = `node-${process.platform}-${process.arch}`;
const folderOf = (version: OldNode): string =>
  fileURLToPath(new URL(`../../node_modules/.cache/opencode-reap/node-${version}/`, import.meta.url));

/** The real program, if it could be fetched for this platform. */
export function oldNode(version: OldNode): string | undefined {
  const file = join(folderOf(version), 'node_modules', PACKAGE, 'bin/node');
  return existsSync(file) ? file : undefined;
}

/** Why a test that needs it is skipped; empty if it can run. */
export const withoutOldNode = (version: OldNode): string =>
  oldNode(version) ? '' : ` (skipped: ${PACKAGE}@${version} could not be fetched)`;

/** Some 140 MB, once per checkout. */
export function fetchOldNodes(): void {
  for (const version of OLD_NODES) if (!existsSync(folderOf(version))) fetchOne(version);
}

function fetchOne(version: OldNode): void {
  const partial = `${folderOf(version).replace(/\/$/, '')}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  writeFileSync(join(partial, 'package.json'), JSON.stringify({ private: true }));
  const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', `${PACKAGE}@${version}`];
  try {
    execFileSync('npm', install, { cwd: partial, stdio: 'pipe', shell: process.platform === 'win32' });
    renameSync(partial, folderOf(version));
  } catch (error) {
    process.stderr.write(`node ${version} could not be fetched: ${String(error).split('\n')[0]}\n`);
    rmSync(partial, { recursive: true, force: true });
  }
}
