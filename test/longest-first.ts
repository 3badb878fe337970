import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What waits longest starts first, so that nothing is waited for alone in the end; the longest first. */
const LONGEST =
  'watch hung claude stopping busy-clients secure busy claude-endings claude-busy background clock interrupted frozen library steps dead-mount bad-record doctor plugin-servers never'
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
