import { expect, test } from 'vitest';
import { withPlugin } from '../src/retire/config-content.js';

const URL = 'file:///ours.mjs';

test.each([
  [undefined, '{"plugin":["file:///ours.mjs"]}'],
  ['', '{"plugin":["file:///ours.mjs"]}'],
  ['{"model":"{env:MODEL}"}', '{"model":"{env:MODEL}","plugin":["file:///ours.mjs"]}'],
  ['{"plugin":[],"model":"m"}', '{"plugin":["file:///ours.mjs"],"model":"m"}'],
  ['{"plugin":["a",["b",{}]]}', '{"plugin":["a",["b",{}],"file:///ours.mjs"]}'],
  ['{"plugin":["file:///ours.mjs"]}', '{"plugin":["file:///ours.mjs"]}'],
  ['{"plugin":["a"],"plugin":["b"]}', '{"plugin":["a"],"plugin":["b","file:///ours.mjs"]}'],
  ['{ // why\n  "plugin": ["a", /* b */],\n}', '{ // why\n  "plugin": ["a","file:///ours.mjs", /* b */],\n}'],
])('the configuration in the environment keeps all that was there: %s', (before, after) => {
  expect(withPlugin(before, URL)).toBe(after);
});

test.each(['{', 'plugin', '[]', '"{}"', '{"plugin":"a"}', '{"plugin":null}', '{"plugin":{env:LIST}}', '{} {}'])(
  'it is not added to where that could break it: %s',
  (before) => expect(withPlugin(before, URL)).toBeUndefined(),
);
