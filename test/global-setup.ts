import { fetchReleases } from './support/releases.js';

export const setup = (): void => fetchReleases();
