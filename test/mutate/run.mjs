// npm run mutate [FILE…]: breaks one thing at a time in the code that decides whether something dies, and runs the pure
// tests: each must fail. Prints what survives. In a copy, so that the tree stays as it is.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILES = [
  'decide/guards.ts',
  'decide/verdict.ts',
  'decide/locate.ts',
  'model/identity.ts',
  'act/signal.ts',
  'state/files/trust.ts',
];
const TESTS = ['test/decide', 'test/model', 'test/act/signal.test.ts', 'test/state/trust.test.ts'];

const wanted = process.argv.slice(2);
const files = wanted.length > 0 ? wanted : FILES.map((file) => `src/${file}`);

const SWAPS = new Map([
  ['===', '!=='],
  ['!==', '==='],
  ['&&', '||'],
  ['||', '&&'],
  ['<', '<='],
  ['<=', '<'],
  ['>', '>='],
  ['>=', '>'],
  ['&', '|'],
]);
/** Words that decide, each with the one that would do harm. */
const WORDS = new Map([
  ['veto', 'pass'],
  ['unknown', 'pass'],
  ['same', 'different'],
  ['different', 'same'],
  ['gone', 'unknown'],
  ['stale', 'unsure'],
]);

/** Every mutation of a file: where, how long, and what stands there instead. */
function mutationsOf(text, name) {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const add = (node, to) => found.push({ start: node.getStart(source), end: node.getEnd(), to });
  const visit = (node) => {
    if (
      ts.isTypeNode(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) ||
      ts.isImportDeclaration(node)
    )
      return;
    if (ts.isBinaryExpression(node)) {
      const swap = SWAPS.get(node.operatorToken.getText(source));
      if (swap) add(node.operatorToken, swap);
    }
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
      add(node, node.operand.getText(source));
    if (ts.isStringLiteral(node) && WORDS.has(node.text)) add(node, `'${WORDS.get(node.text)}'`);
    if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, 'false');
    if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, 'true');
    if (ts.isIfStatement(node)) add(node.expression, 'false');
    if (ts.isConditionalExpression(node)) {
      add(node.condition, 'true');
      add(node.condition, 'false');
    }
    if (ts.isNumericLiteral(node) && !ts.isElementAccessExpression(node.parent)) add(node, `${Number(node.text) + 1}`);
    // A whole row of the guard table.
    if (
      ts.isArrayLiteralExpression(node) &&
      node.elements.length === 2 &&
      node.elements[1] &&
      ts.isArrowFunction(node.elements[1])
    ) {
      add(node.elements[1].body, 'undefined');
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found.filter(({ start, end, to }) => text.slice(start, end) !== to);
}

const copy = mkdtempSync(join(tmpdir(), 'opencode-reap-mutate-'));
// Some tests run as another user.
chmodSync(copy, 0o755);
for (const name of ['src', 'test', 'package.json', 'tsconfig.json', 'docs'])
  cpSync(join(ROOT, name), join(copy, name), { recursive: true });
for (const name of ['node_modules', 'dist', 'bin']) symlinkSync(join(ROOT, name), join(copy, name));

const env = { ...process.env, MODEL_WORLDS: process.env.MODEL_WORLDS ?? '5000', MUTATED: '1' };
const passes = () => {
  const words = ['run', '--config', 'test/vitest.config.ts', '--bail=1', '--maxWorkers=2', ...TESTS];
  return (
    spawnSync(join(ROOT, 'node_modules/.bin/vitest'), words, {
      cwd: copy,
      env,
      stdio: process.env.MUTATE_SHOW ? 'inherit' : 'ignore',
      timeout: 120_000,
    }).status === 0
  );
};

if (!passes()) throw new Error('the tests fail as it is');
let survived = 0;
let tried = 0;
const part = Number(process.env.MUTATE_EVERY ?? 1);
try {
  for (const file of files) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const [at, { start, end, to }] of mutationsOf(text, file).entries()) {
      if (at % part !== 0) continue;
      writeFileSync(join(copy, file), text.slice(0, start) + to + text.slice(end));
      tried += 1;
      if (!passes()) continue;
      survived += 1;
      const line = text.slice(0, start).split('\n').length;
      process.stdout.write(`${file}:${line}: ${text.slice(start, end).split('\n')[0]} -> ${to}\n`);
    }
    writeFileSync(join(copy, file), text);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.stdout.write(`${tried} mutations, ${survived} survived\n`);
