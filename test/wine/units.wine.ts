import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { waitFor } from '../support/wait.js';
import { type Call, onHost, start } from './machine.js';
import { bundled, bundleTests } from './unit/bundle.js';
import { testFiles } from './unit/needs-unix.js';

/* The tests of `npm test` that need no Unix, in the real node.exe: through vitest's own runner and assertions, bundled. */

const FOLDER = 'C:\\unit';
const FILES = testFiles();
const runs = FILES.flatMap(({ file, why }) => (why === undefined ? [file] : []));

interface Told {
  readonly name: string;
  readonly state: string;
  readonly error?: string;
  readonly note?: string;
}

/** Not as many random worlds as on Linux: what differs there is seen in a few, and Wine is slow. */
const FEW = { MODEL_WORLDS: '500', EVERY_ROW: '1', UNDER_WINE: '1' };

async function results({ node }: Required<Pick<Call, 'node'>>) {
  const out = `${FOLDER}\\out-${node}.json`;
  const modules = runs.map((file) => `${FOLDER}\\${bundled(file)}.mjs`);
  const program = await begun(['node', `${FOLDER}\\main.mjs`, out, ...modules], onHost(out), { node, env: FEW });
  const late = setTimeout(program.end, 500_000);
  const code = await program.ended;
  clearTimeout(late);
  const { stdout, stderr } = program.said();
  program.forget();
  const said: readonly { readonly tests: readonly Told[] }[] = JSON.parse(readFileSync(onHost(out), 'utf8'));
  const tests = said.flatMap((one, at) => one.tests.map((told) => ({ file: runs[at], ...told })));
  return { node, code, said: `${stdout}${stderr}`, files: said.length, tests };
}

/** Under Wine some node.exe in forty never begins, without using any time. */
async function begun(args: readonly string[], sign: string, call: Call) {
  for (let attempt = 1; ; attempt += 1) {
    const program = start(args, call);
    const hasBegun = await waitFor('node.exe to begin', () => existsSync(sign), 90_000).then(
      () => true,
      () => false,
    );
    if (hasBegun) return program;
    program.end();
    if (attempt === 3) expect.fail(`node.exe never began: ${JSON.stringify(program.said())}`);
  }
}

test('the unit tests that need no Unix pass in node.exe 22 and 20', { timeout: 700_000 }, async () => {
  rmSync(onHost(FOLDER), { recursive: true, force: true });
  mkdirSync(onHost(FOLDER));
  await bundleTests(runs, onHost(FOLDER));
  const left = FILES.flatMap(({ file, why }) => (why === undefined ? [] : `  ${file}: ${why}`));
  say(`${runs.length} test files run in node.exe:\n  ${runs.join('\n  ')}`);
  say(`${left.length} need Unix, or are the same everywhere:\n${left.join('\n')}`);
  const both = await Promise.all((['n22', 'n20'] as const).map((node) => results({ node })));
  for (const { node, code, said, files, tests } of both) {
    const skipped = tests
      .filter(({ state }) => state === 'skip')
      .map(({ file, name, note }) => `  ${file} > ${name}${note ? ` (skipped: ${note})` : ''}`);
    say(`${node}: ${tests.length} tests, of which these were skipped:\n${skipped.join('\n')}`);
    const failed = tests.filter(({ state }) => state !== 'pass' && state !== 'skip');
    expect(failed, node).toEqual([]);
    expect({ code, files }, said).toEqual({ code: 0, files: runs.length });
    // That the bundles hold what they are made of.
    expect(tests.length).toBeGreaterThan(1_500);
  }
});

const say = (text: string): unknown => process.stderr.write(`${text}\n`);
