import { fetchClaude } from './support/claude-release.js';
import { fetchReleases } from './support/releases.js';

export const setup = (): void => {
  fetchReleases();
  fetchClaude();
};
