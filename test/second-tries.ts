import { stripVTControlCharacters } from 'node:util';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/**
 * Names what passed at its second try only, and what its first one ended with, so that a machine that is starved hides no
 * test that is not sure.
 */
export class SecondTries implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const unsure = modules.flatMap((module) =>
      [...module.children.allTests('passed')].flatMap((test) =>
        test.diagnostic()?.flaky ? `  ${module.relativeModuleId} > ${test.fullName}\n${firstErrorOf(test)}` : [],
      ),
    );
    if (unsure.length > 0) process.stdout.write(`\npassed at the second try only:\n${unsure.join('')}`);
  }
}

/** A difference between two reports may be hundreds of lines, of which the marked ones say it. */
const MOST_LINES = 20;

function firstErrorOf(test: TestCase): string {
  const [error] = test.result().errors ?? [];
  const [where] = error?.stacks ?? [];
  const changed = stripVTControlCharacters(error?.diff ?? '')
    .split('\n')
    .filter((line) => /^[-+]/.test(line));
  const lines = [
    ...(error?.message ?? '').split('\n').slice(0, MOST_LINES),
    ...changed.slice(0, MOST_LINES),
    ...(where ? [`at line ${where.line}`] : []),
  ];
  return lines.map((line) => `      ${line}\n`).join('');
}
