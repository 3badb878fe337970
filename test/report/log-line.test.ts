import { expect, test } from 'vitest';
import type { Outcome } from '../../src/model/outcome.js';
import { judgedLine, type StopReason } from '../../src/report/log-line.js';
import { becameOf } from '../../src/report/past.js';
import { evidence, native, SERVER, verdict } from '../decide/given.js';

test('of a server that had ended, only when that was seen is known; of one that was stopped, when that was', () => {
  const at = new Date(0).toISOString();
  const line = { at, id: 'a', pid: 66, port: 4196, workspace: undefined, detail: 'x' };
  const became = (event: string) => becameOf({ ...line, event }, 180_000);
  expect(became('gone')).toBe('pid 66 on port 4196 had ended when it was looked at 3 min ago: x');
  expect(became('replaced')).toBe('pid 66 on port 4196 had ended when it was looked at 3 min ago: x');
  expect(became('stopped')).toBe('pid 66 on port 4196 was stopped 3 min ago: x');
});

/** What the log says of a server with that outcome. */
const said = (outcome: Outcome | undefined, stopping: StopReason = {}): readonly string[] => {
  const { record } = native;
  const { event, detail } = judgedLine({ record, seen: evidence(native), verdict: verdict(native), outcome }, stopping);
  return [event, detail];
};

const stopped = (changes: object = {}): Outcome => ({
  kind: 'stopped',
  signal: 'SIGKILL',
  tookMs: 7,
  processes: [SERVER, 5001],
  successor: undefined,
  leftBehind: [],
  ...changes,
});

test.each<[Outcome, string]>([
  [stopped(), `SIGKILL after every guard passed; gone in 7 ms: pid ${SERVER}, pid 5001`],
  [
    stopped({
      successor: 9,
      leftBehind: [
        { pid: 1, name: 'a', ended: true },
        { pid: 2, name: 'b', ended: false },
      ],
    }),
    `SIGKILL after every guard passed; gone in 7 ms: pid ${SERVER}, pid 5001; its port is now held by pid 9; also ended: a (pid 1); left behind: b (pid 2)`,
  ],
  [{ kind: 'gone' }, 'it had already ended'],
  [{ kind: 'replaced', pid: 3 }, 'pid 3 now belongs to another process'],
  [{ kind: 'denied', pid: 3 }, 'no permission to signal pid 3'],
  [{ kind: 'survived', pids: [3, 4] }, 'not ended after every guard passed; still running after SIGKILL: pid 3, pid 4'],
  [{ kind: 'withheld', because: '21 servers are stale', overLimit: true }, '21 servers are stale'],
])('the log says what became of a server: %j', (outcome, detail) => {
  expect(said(outcome)).toEqual([outcome.kind, detail]);
});

test('the log never says that every guard passed of what the user named', () => {
  for (const outcome of [stopped(), { kind: 'survived', pids: [3] } as const])
    expect(said(outcome, { named: true })[1]).toMatch(/ by hand, every guard passed; /);
  expect(said(stopped(), { why: 'no lease could be written for it' })[1]).toMatch(/^no lease .* for it: SIGKILL after/);
});
