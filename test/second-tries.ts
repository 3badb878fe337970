import type { Reporter, TestModule } from 'vitest/node';

/** Names what passed at its second try only, so that a machine that is starved hides no test that is not sure. */
export class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const unsure = modules.flatMap((module) =>
      [...module.children.allTests('passed')].flatMap((test) =>
        test.diagnostic()?.flaky ? `${module.relativeModuleId} > ${test.fullName}` : [],
      ),
    );
    if (unsure.length > 0)
      process.stdout.write(`\npassed at the second try only:\n${unsure.map((name) => `  ${name}\n`).join('')}`);
  }
}
