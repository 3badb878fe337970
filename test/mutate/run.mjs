// npm run mutate [-- FOLDER|FILE… --minutes N --jobs N]: changes one thing at a time in the code that decides whether
// something dies, and runs the quick tests that come across it: one must fail. What survives is in survivors.json, with
// the reason why it may; anything else is named, and fails.
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { instrumented } from './mutations.mjs';
import { TESTS } from './tests.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache');
mkdirSync(CACHE, { recursive: true });
/** Where the packages that the tests import are found from. */
const WORK = mkdtempSync(join(CACHE, 'opencode-reap-mutate-'));
const SURVIVORS = fileURLToPath(new URL('survivors.json', import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string' }, jobs: { type: 'string', default: '2' }, show: { type: 'boolean' } },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(TESTS);
const deadline = options.minutes ? performance.now() + Number(options.minutes) * 60_000 : Number.POSITIVE_INFINITY;
/** A change that makes a loop endless keeps its process from saying so: at most, and by how long all tests take. */
const STUCK_MS = 180_000;
const stuckAfter = (testsMs) => Math.min(STUCK_MS, 20_000 + 10 * testsMs);

const filesIn = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path).flatMap((name) => filesIn(join(path, name)))
    : path.endsWith('.ts')
      ? [path]
      : [];
const under = (path) => filesIn(join(ROOT, path)).map((file) => file.slice(ROOT.length));
const pathOf = (word) => (existsSync(join(ROOT, word)) ? word : join('src', word));

/** The tests of the rows of the table that a file belongs to. */
const testsOf = (file) => Object.entries(TESTS).find(([folder]) => file.startsWith(join('src', folder)))?.[1] ?? [];

async function bundled(files, testFiles) {
  const changes = [];
  const code = new Map();
  for (const file of files) {
    const one = instrumented(readFileSync(join(ROOT, file), 'utf8'), file, changes.length + 1);
    changes.push(...one.changes);
    code.set(join(ROOT, file), one.code);
  }
  const few = fileURLToPath(new URL('few-of-vitest.mjs', import.meta.url));
  const entry = [
    `import { file, runUntilOneFails, tests } from ${JSON.stringify(few)};`,
    ...testFiles.map((name) => `file(${JSON.stringify(name)}); await import(${JSON.stringify(join(ROOT, name))});`),
    'export { runUntilOneFails, tests };',
  ].join('\n');
  const outfile = join(WORK, 'tests.mjs');
  await build({
    stdin: { contents: entry, resolveDir: ROOT, loader: 'js' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile,
    logLevel: 'error',
    plugins: [
      {
        name: 'mutate',
        setup(one) {
          one.onResolve({ filter: /^vitest$/ }, () => ({ path: few }));
          one.onLoad({ filter: /\.m?ts$/ }, ({ path }) => {
            const contents = (code.get(path) ?? readFileSync(path, 'utf8')).replaceAll(
              'import.meta.url',
              JSON.stringify(pathToFileURL(path).href),
            );
            return { contents, loader: 'ts' };
          });
        },
      },
    ],
  });
  return { outfile, changes };
}

/** Hands out the changes to several processes, each the next one as soon as it has tried its last. */
async function tryAll(outfile, changes, jobs) {
  const byId = new Map(changes.map((one) => [one.id, one]));
  const results = new Map();
  const tried = (result) => {
    results.set(result.id, result);
    tell(byId.get(result.id), result);
  };
  const queue = changes.map(({ id }) => id);
  const work = async () => {
    while (queue.length > 0 && performance.now() < deadline) await oneProcess(outfile, queue, tried);
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return results;
}

/** Until the queue is empty, or one change has got it stuck or has ended it. */
function oneProcess(outfile, queue, hasTried) {
  return new Promise((done, fail) => {
    const worker = fork(fileURLToPath(new URL('worker.mjs', import.meta.url)), [outfile], {
      env: {
        ...process.env,
        MODEL_WORLDS: process.env.MODEL_WORLDS ?? '1500',
        FUZZ_MS: '5',
        EVERY_ROW: '1',
        MUTATED: '1',
      },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let trying;
    let isReady = false;
    let stuckMs = STUCK_MS;
    let loaded = 0;
    let timer;
    let said = '';
    worker.stderr.on('data', (data) => {
      said += data;
    });
    const next = () => {
      clearTimeout(timer);
      // A process that has loaded many versions of the tests holds them all.
      trying = loaded < 200 && performance.now() < deadline ? queue.shift() : undefined;
      if (trying === undefined) return worker.kill();
      timer = setTimeout(() => {
        hasTried({ id: trying, is: 'stuck' });
        trying = undefined;
        worker.kill('SIGKILL');
      }, stuckMs);
      return worker.send({ id: trying });
    };
    worker.on('message', (message) => {
      if (message.kind === 'ready') {
        isReady = true;
        stuckMs = stuckAfter(message.ms);
        if (options.show) process.stderr.write(`${message.tests} tests, ${(message.ms / 1000).toFixed(1)} s\n`);
      } else {
        hasTried(message);
        trying = undefined;
        if (message.isLoaded) loaded += 1;
      }
      next();
    });
    worker.on('exit', () => {
      clearTimeout(timer);
      if (!isReady) return fail(new Error(`the tests fail as it is\n${said.slice(0, 2_000)}`));
      if (trying !== undefined) hasTried({ id: trying, is: 'killed', by: 'its end' });
      return done();
    });
  });
}

const keyOf = ({ file, code, from, to }) => [file, code, from, to].join('\u0000');
const explained = new Map(JSON.parse(readFileSync(SURVIVORS, 'utf8')).map((one) => [keyOf(one), one]));

const placeOf = ({ file, line }) => `${file}:${line}`;
const isSurvivor = ({ is }) => is === 'survived' || is === 'not met';

/** At once, since the whole may take an hour. */
function tell(one, { is }) {
  if (!isSurvivor({ is }) || explained.has(keyOf(one))) return;
  const met = is === 'not met' ? ' (no test comes across it)' : '';
  process.stdout.write(`${placeOf(one)}: ${one.from} -> ${one.to}${met}\n    ${one.code}\n`);
}

/** Returns how many changes are without an explanation, or were not tried. */
function summed(word, changes, results) {
  const of = (...kinds) => changes.filter(({ id }) => kinds.includes(results.get(id)?.is));
  const survivors = of('survived', 'not met');
  const known = survivors.filter((one) => explained.has(keyOf(one)));
  const tried = changes.filter(({ id }) => results.has(id));
  const survived = new Set(survivors.map(keyOf));
  for (const one of tried.filter((each) => explained.has(keyOf(each)) && !survived.has(keyOf(each))))
    process.stdout.write(`explained, and noticed by now: ${placeOf(one)}: ${one.from} -> ${one.to}\n`);
  const counts = [
    `${tried.length} of ${changes.length} changes tried`,
    `${of('killed').length} killed`,
    `${of('stuck').length} stuck`,
    `${survivors.length} survived, ${known.length} of them explained`,
  ];
  process.stdout.write(`${word}: ${counts.join(', ')}\n`);
  return survivors.length - known.length + changes.length - tried.length;
}

try {
  const files = new Map(wanted.map((word) => [word, under(pathOf(word))]));
  const all = [...new Set([...files.values()].flat())];
  const tests = [...new Set(all.flatMap(testsOf))].flatMap(under).filter((file) => file.endsWith('.test.ts'));
  const { outfile, changes } = await bundled(all, [...new Set(tests)]);
  const results = await tryAll(outfile, changes, Number(options.jobs));
  const left = wanted.map((word) =>
    summed(
      word,
      changes.filter(({ file }) => files.get(word).includes(file)),
      results,
    ),
  );
  process.exitCode = left.some((count) => count > 0) ? 1 : 0;
} finally {
  rmSync(WORK, { recursive: true, force: true });
}
