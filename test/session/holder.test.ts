import { describe, expect, test } from 'vitest';
import type { ClaudeRole } from '../../src/model/claude-process.js';
import { claudeAbove, holderAbove } from '../../src/session/holder.js';
import { pid } from '../decide/given.js';

/** From the caller's parent upwards. */
type Above = readonly (readonly [name: string, claude?: ClaudeRole])[];

const looksAt = (above: Above) => (at: number) => {
  const seen = above[at - 100];
  if (seen === undefined) return 'gone';
  const [name, claude] = seen;
  return { pid: pid(at), startToken: `${at}`, name, claude, parent: at + 1 };
};

describe('the holder above a plugin’s process is', () => {
  test.each<[string, number | undefined, Above]>([
    ['the nearest Claude', 102, [['sh'], ['node'], ['2.1.330', 'session'], ['claude', 'session']]],
    ['a spare, which was claimed if it runs anything', 101, [['sh'], ['claude', 'spare'], ['claude', 'helper']]],
    ['no helper, but the session that it serves', 102, [['sh'], ['claude', 'helper'], ['claude', 'session']]],
    ['none where there is none', undefined, [['sh'], ['node'], ['claude', 'helper']]],
  ])('%s', (_sentence, expected, above) => {
    expect(claudeAbove(100, undefined, looksAt(above))?.pid).toBe(expected);
  });

  test('CLAUDE_PID where that is above it, whatever it is called', () => {
    expect(claudeAbove(100, '101', looksAt([['sh'], ['x'], ['claude', 'session']]))?.pid).toBe(101);
  });
});

test.each(['claude', 'claude.exe', '2.1.330', '.claude-wrapped', 'cc'])(
  'the holder above a hook is %s, by no more than its name not being a shell’s',
  (name) => {
    expect(holderAbove(100, undefined, looksAt([['env'], ['dash'], [name]]))?.pid).toBe(102);
  },
);
