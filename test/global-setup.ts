import type { TestProject } from 'vitest/node';
import { fetchClaude, OLD_CLAUDE } from './support/claude-release.js';
import { fetchOldNodes } from './support/old-node.js';
import { buildThroughMacos } from './support/program.js';
import { fetchReleases, RELEASES } from './support/releases.js';

/** The words of the command line; by another name than vitest's they would be unknown, and nothing is named. */
const namesIn = (vitest: unknown): readonly string[] =>
  (vitest as { readonly filenamePattern?: readonly string[] }).filenamePattern ?? [];

export const setup = ({ name, vitest }: TestProject): void => {
  if (name === 'all') buildThroughMacos();
  const { length } = namesIn(vitest);
  // More of them are a part of CI, or a morning's work.
  if (length > 0 && length <= 3) process.env.EVERY_ROW = '1';
  fetchReleases();
  const all = Object.values(RELEASES).join(' and ');
  const said = process.env.EVERY_RELEASE
    ? `real servers are of OpenCode ${all}`
    : `real servers are of OpenCode ${all}, one of them where both show the same; EVERY_RELEASE=1 runs all that there is`;
  if (name === 'all') process.stderr.write(`${said}\n`);
  fetchClaude();
  if (process.env.EVERY_RELEASE) fetchClaude(OLD_CLAUDE);
  fetchOldNodes();
};
