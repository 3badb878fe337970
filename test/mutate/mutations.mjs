// What is changed in a source file, one thing at a time, and all of it behind a switch: so that a file is translated
// once, and each change is tried in the same process.
import ts from 'typescript';

const SWAPS = new Map([
  ['===', '!=='],
  ['!==', '==='],
  ['&&', '||'],
  ['||', '&&'],
  ['??', '&&'],
  ['<', '<='],
  ['<=', '<'],
  ['>', '>='],
  ['>=', '>'],
  ['+', '-'],
  ['-', '+'],
  ['&', '|'],
]);
const CALLS = new Map([
  ['some', 'every'],
  ['every', 'some'],
]);
/** Words that decide, each with the one that would do harm. */
const WORDS = new Map([
  ['veto', 'pass'],
  ['unknown', 'pass'],
  ['same', 'different'],
  ['different', 'same'],
  ['gone', 'unknown'],
  ['stale', 'unsure'],
  ['yes', 'no'],
  ['no', 'yes'],
]);

/** What may stand instead of this very node, each as a whole text for it, and what is said of it. */
function alternatives(node, source) {
  const text = node.getText(source);
  const swapped = (token, to) => {
    const at = token.getStart(source) - node.getStart(source);
    return text.slice(0, at) + to + text.slice(at + token.getText(source).length);
  };
  const found = [];
  const add = (from, to, whole) => found.push({ from, to, whole });
  if (ts.isBinaryExpression(node)) {
    const from = node.operatorToken.getText(source);
    const to = SWAPS.get(from);
    const joinsText = [node.left, node.right].some((side) => /^[`'"]/.test(side.getText(source)));
    const [left, right] = [node.left, node.right].map((side) => side.getText(source));
    if (to && !(from === '+' && joinsText)) add(from, to, `(${left}) ${to} (${right})`);
  }
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
    add(text, node.operand.getText(source), node.operand.getText(source));
  if (ts.isStringLiteral(node) && WORDS.has(node.text))
    add(text, `'${WORDS.get(node.text)}'`, `'${WORDS.get(node.text)}'`);
  if (node.kind === ts.SyntaxKind.TrueKeyword) add('true', 'false', 'false');
  if (node.kind === ts.SyntaxKind.FalseKeyword) add('false', 'true', 'true');
  if (ts.isNumericLiteral(node))
    add(text, String(Number(text.replaceAll('_', '')) + 1), String(Number(text.replaceAll('_', '')) + 1));
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && !ts.isOptionalChain(node)) {
    const { name } = node.expression;
    const to = CALLS.get(name.getText(source));
    if (to) add(name.getText(source), to, swapped(name, to));
  }
  const { parent } = node;
  if (ts.isIfStatement(parent) && parent.expression === node) add(text, 'false', 'false');
  if (ts.isConditionalExpression(parent) && parent.condition === node) {
    add(text, 'true', 'true');
    add(text, 'false', 'false');
  }
  // A whole row of a table: it says nothing.
  const isRow = ts.isArrowFunction(parent) && parent.body === node && ts.isArrayLiteralExpression(parent.parent);
  if (isRow && !ts.isBlock(node) && parent.parent.elements.length === 2) add(text, 'undefined', 'undefined');
  return found.filter(({ whole }) => whole !== text);
}

const isNoCode = (node) =>
  ts.isTypeNode(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isImportDeclaration(node) ||
  ts.isExportDeclaration(node);

/** A name, or a key: nothing that has a value. */
const isName = (node) => {
  const { parent } = node;
  return (
    (ts.isPropertyAssignment(parent) && parent.name === node) ||
    ts.isComputedPropertyName(parent) ||
    (ts.isElementAccessExpression(parent) && ts.isNumericLiteral(node)) ||
    (ts.isExpressionStatement(parent) && ts.isStringLiteral(node)) ||
    ts.isCaseClause(parent)
  );
};

/**
 * A file with all changes behind `globalThis.__changed(id)`, and the list of them.
 * @param {string} text
 * @param {string} name as it is shown
 * @param {number} first the id of the first change
 */
export function instrumented(text, name, first) {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const lines = text.split('\n');

  const emit = (node) => {
    if (isNoCode(node)) return text.slice(node.getStart(source), node.getEnd());
    let out = '';
    let at = node.getStart(source);
    ts.forEachChild(node, (child) => {
      out += text.slice(at, child.getStart(source)) + emit(child);
      at = child.getEnd();
    });
    out += text.slice(at, node.getEnd());
    const others = ts.isSourceFile(node) || isName(node) ? [] : alternatives(node, source);
    for (const { from, to, whole } of others) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
      const id = first + found.length;
      found.push({ id, file: name, line: line + 1, code: lines[line].trim(), from: from.split('\n')[0], to });
      out = `(globalThis.__changed(${id}) ? (${whole}) : (${out}))`;
    }
    return out;
  };
  return { code: text.slice(0, source.getStart(source)) + emit(source), changes: found };
}
