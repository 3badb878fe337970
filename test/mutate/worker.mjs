// Tries the changes that it is sent, each by the tests that come across it. Argument: the bundle of the tests.
import { pathToFileURL } from 'node:url';

const [bundle] = process.argv.slice(2);
/** While `at` is undefined, what is come across is noted. */
const state = { at: undefined, met: new Set() };
globalThis.__changed = (id) => {
  if (state.at !== undefined) return id === state.at;
  state.met.add(id);
  return false;
};

const load = async (version) => import(`${pathToFileURL(bundle)}?${version}`);

/** As it is: which tests there are, how long each takes, and what each comes across. */
async function learn() {
  const { tests, runUntilOneFails } = await load('as-it-is');
  const onLoad = state.met;
  const known = [];
  for (const [at, one] of tests.entries()) {
    state.met = new Set();
    const began = performance.now();
    const failed = await runUntilOneFails([one], 120_000);
    if (failed) throw new Error(`${one.name} fails as it is: ${failed.why}`);
    known.push({ at, name: one.name, ms: performance.now() - began, met: state.met });
  }
  return { tests, runUntilOneFails, onLoad, known: known.sort((a, b) => a.ms - b.ms) };
}

const learned = await learn();
const covers = (id) => learned.known.filter(({ met }) => learned.onLoad.has(id) || met.has(id));
process.send({ kind: 'ready', tests: learned.known.length, ms: learned.known.reduce((sum, { ms }) => sum + ms, 0) });

async function tried(id) {
  const covering = covers(id);
  if (covering.length === 0) return { id, is: 'not met' };
  state.at = id;
  try {
    // What is computed when a file is loaded has to be loaded anew.
    const isStatic = learned.onLoad.has(id);
    const { tests, runUntilOneFails } = isStatic ? await load(id) : learned;
    const failed = await runUntilOneFails(
      covering.map(({ at }) => tests[at]).filter((one) => one !== undefined),
      60_000,
    );
    const isLoaded = isStatic;
    return failed ? { id, is: 'killed', by: failed.test.name, isLoaded } : { id, is: 'survived', isLoaded };
  } catch (error) {
    return { id, is: 'killed', by: `loading: ${error.message}` };
  } finally {
    state.at = undefined;
  }
}

process.on('unhandledRejection', () => undefined);
process.on('message', async ({ id }) => process.send({ kind: 'tried', ...(await tried(id)) }));
