import type { Reporter, TestCase, TestModule } from 'vitest/node';
import './support/patience.js';

const isOnDemand = (test: TestCase): boolean =>
  test.meta().isOnDemand === true || test.fullName.includes('EVERY_RELEASE');

/** Names the files of which a run leaves a part to CI, so that nobody takes it for all. */
export class LeftOut implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const parts = modules.flatMap((module) => {
      const all = [...module.children.allTests()];
      const left = all.filter((test) => test.result().state === 'skipped' && isOnDemand(test));
      return left.length > 0 ? [`${module.relativeModuleId} (${left.length} of ${all.length})`] : [];
    });
    if (parts.length > 0)
      process.stdout.write(`\nleft to CI, as some rows of tables are; EVERY_RELEASE=1 runs all: ${parts.join(', ')}\n`);
  }
}
