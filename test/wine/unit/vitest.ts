import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  type ExpectStatic,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect';
import { getCurrentTest } from '@vitest/runner';
import { clearAllMocks, fn, isMockFunction, resetAllMocks, restoreAllMocks, spyOn } from '@vitest/spy';

/*
 * What a test imports from `vitest` where vitest itself does not start: node.exe under Wine. Its own runner, assertions and
 * spies, put together as it does.
 */

export {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  it,
  onTestFailed,
  onTestFinished,
  test,
} from '@vitest/runner';

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);

function asserted(value: unknown, message?: string) {
  const assert = chai.expect(value, message) as Chai.Assertion & { withTest?: (test: unknown) => Chai.Assertion };
  const running = getCurrentTest();
  return running && assert.withTest ? assert.withTest(running) : assert;
}

export const expect = Object.assign(
  asserted,
  chai.expect,
  (globalThis as { [key: symbol]: unknown })[ASYMMETRIC_MATCHERS_OBJECT],
) as unknown as ExpectStatic;
setState({ assertionCalls: 0, isExpectingAssertions: false, expectedAssertionsNumber: null } as never, expect);
expect.extend = (matchers) =>
  (chai.expect as unknown as { extend: (on: ExpectStatic, all: unknown) => void }).extend(expect, matchers);
expect.extend(customMatchers);

const before = new Map<string, string | undefined>();

function stubEnv(name: string, value: string | undefined): void {
  if (!before.has(name)) before.set(name, process.env[name]);
  setEnv(name, value);
}

function unstubAllEnvs(): void {
  for (const [name, value] of before) setEnv(name, value);
  before.clear();
}

function setEnv(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

export const vi = {
  clearAllMocks,
  fn,
  isMockFunction,
  resetAllMocks,
  restoreAllMocks,
  spyOn,
  stubEnv,
  unstubAllEnvs,
};
