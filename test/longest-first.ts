import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What waits longest starts first, so that nothing is waited for alone in the end; the longest first. */
const LONGEST =
  'claude-born hung watch claude clock stopping busy-clients opencode-2 judged interrupted background secure busy claude-endings claude-busy library delegate doctor second frozen start-refused steps dead-mount plugin-servers never'
    .split(' ')
    .map((name) => `${name}.test.ts`);

const rank = ({ moduleId }: TestSpecification): number => {
  const at = LONGEST.indexOf(basename(moduleId));
  return at < 0 ? LONGEST.length : at;
};

/** Vitest itself knows only how long files took on this machine before, and CI has no before. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return [...files].sort((a, b) => rank(a) - rank(b));
  }
}
