import type { TestProject } from 'vitest/node';
import { fetchClaude, OLD_CLAUDE } from './support/claude-release.js';
import { fetchOldNodes } from './support/old-node.js';
import { buildThroughMacos } from './support/program.js';
import { fetchReleases, RELEASES } from './support/releases.js';

export const setup = ({ name }: TestProject): void => {
  if (name === 'all') buildThroughMacos();
  fetchReleases();
  const all = Object.values(RELEASES).join(' and ');
  const said = process.env.EVERY_RELEASE
    ? `real servers are of OpenCode ${all}`
    : `real servers are of OpenCode ${all}, one of them where both show the same, and some tables are run in part; EVERY_RELEASE=1 runs all`;
  if (name === 'all') process.stderr.write(`${said}\n`);
  fetchClaude();
  if (process.env.EVERY_RELEASE) fetchClaude(OLD_CLAUDE);
  fetchOldNodes();
};
