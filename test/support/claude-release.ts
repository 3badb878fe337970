import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The release whose hooks were measured. A native binary in an npm package, so no install script is needed. */
const CLAUDE = '2.1.330';
/** A release that does not know `args` in a hook's handler, and drops them when it writes the settings. */
export const OLD_CLAUDE = '2.1.117';

const folderOf = (release: string): string =>
  fileURLToPath(new URL(`../../node_modules/.cache/opencode-reap/claude-code-${release}/`, import.meta.url));

/** The real client, if it could be fetched for this platform. */
export const claudeBinary = (release = CLAUDE): string | undefined => {
  const platform = `${process.platform}-${process.arch}`;
  const file = join(folderOf(release), `node_modules/@anthropic-ai/claude-code-${platform}/claude`);
  return existsSync(file) ? file : undefined;
};

/**
 * Fetches the client once per checkout. It is not free software, so a registry may not have it: then its tests are
 * skipped by name.
 */
export function fetchClaude(release = CLAUDE): void {
  const folder = folderOf(release);
  if (existsSync(folder)) return;
  const partial = `${folder.replace(/\/$/, '')}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  writeFileSync(join(partial, 'package.json'), JSON.stringify({ private: true }));
  const install = [
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--save-exact',
    `@anthropic-ai/claude-code@${release}`,
  ];
  try {
    execFileSync('npm', install, { cwd: partial, stdio: 'pipe', shell: process.platform === 'win32' });
    renameSync(partial, folder);
  } catch (error) {
    process.stderr.write(`the Claude Code client could not be fetched: ${String(error).split('\n')[0]}\n`);
    rmSync(partial, { recursive: true, force: true });
  }
}
