// As much of vitest as the quick tests use, so that one process can run one test, and the next, many thousand times.
import { GLOBAL_EXPECT, getState, JestAsymmetricMatchers, JestChaiExpect, JestExtend, setState } from '@vitest/expect';
import { fn, restoreAllMocks, spyOn } from '@vitest/spy';
import * as chai from 'chai';

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);

export const expect = (value, message) => {
  setState({ assertionCalls: (getState(expect)?.assertionCalls ?? 0) + 1 }, expect);
  return chai.expect(value, message);
};
Object.assign(expect, chai.expect);
Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, writable: true, configurable: true });
setState({ assertionCalls: 0, expectedAssertionsNumber: null, isExpectingAssertions: false }, expect);

const suite = (name, above) => ({ name, above, beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] });

let at = suite('', undefined);
let finished = [];
/** Every test, with the suites that it is in. */
export const tests = [];
const skipped = () => undefined;

export function test(name, ...rest) {
  const run = rest.find((one) => typeof one === 'function');
  if (run) tests.push({ name: `${nameOf(at)} > ${name}`, run, suite: at });
}
const nameOf = ({ name, above }) => (above ? `${nameOf(above)} ${name}`.trim() : name);

const eachOf = (add) => (table) => (name, run) => {
  const areRows = table.every(Array.isArray);
  for (const row of table) add(`${name} ${rowName(row)}`, () => (areRows ? run(...row) : run(row)));
};
const rowName = (row) => (Array.isArray(row) ? String(row[0]) : typeof row === 'object' ? '' : String(row));

export function describe(name, ...rest) {
  const before = at;
  at = suite(name, before);
  rest.find((one) => typeof one === 'function')?.();
  at = before;
}

test.each = eachOf(test);
test.for = (table) => (name, run) => {
  for (const row of table) test(`${name} ${rowName(row)}`, () => run(row, { expect, onTestFinished }));
};
test.skip = skipped;
test.skipIf = (isSkipped) => (isSkipped ? Object.assign(skipped, { each: () => skipped, for: () => skipped }) : test);
test.concurrent = test.sequential = test;
describe.each = eachOf(describe);
describe.skip = skipped;
describe.skipIf = (isSkipped) => (isSkipped ? Object.assign(skipped, { each: () => skipped }) : describe);
describe.concurrent = describe.sequential = describe;
export const it = test;

export const beforeAll = (run) => void at.beforeAll.push(run);
export const afterAll = (run) => void at.afterAll.push(run);
export const beforeEach = (run) => void at.beforeEach.push(run);
export const afterEach = (run) => void at.afterEach.push(run);
export const onTestFinished = (run) => void finished.push(run);

/** From here on, tests are those of this file. */
export function file(name) {
  at = suite(name, undefined);
}

const suitesOf = (one) => (one ? [...suitesOf(one.above), one] : []);

/** Runs these tests until one fails; returns that one, with why. */
export async function runUntilOneFails(some, timeoutMs) {
  const entered = new Set();
  try {
    for (const one of some) {
      const why = await runOne(one, entered, timeoutMs);
      if (why !== undefined) return { test: one, why };
    }
    return undefined;
  } finally {
    for (const one of [...entered].reverse()) for (const run of one.afterAll) await run();
  }
}

async function runOne({ run, suite: its }, entered, timeoutMs) {
  const suites = suitesOf(its);
  finished = [];
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error('it takes too long')), timeoutMs);
  });
  try {
    for (const one of suites.filter((each) => !entered.has(each))) {
      entered.add(one);
      for (const hook of one.beforeAll) await hook();
    }
    for (const hook of suites.flatMap((one) => one.beforeEach)) await hook();
    await Promise.race([Promise.resolve(run({ expect, onTestFinished })), late]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
    for (const hook of [...finished].reverse()) await hook();
    for (const hook of suites.flatMap((one) => one.afterEach)) await hook();
  }
}

const before = new Map();
export const vi = {
  fn,
  spyOn,
  restoreAllMocks,
  stubEnv(name, value) {
    if (!before.has(name)) before.set(name, process.env[name]);
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  },
  unstubAllEnvs() {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    before.clear();
  },
};
