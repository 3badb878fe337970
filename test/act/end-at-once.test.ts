import { describe, expect, test } from 'vitest';
import { endAtOnce, endScript, parseEnded } from '../../src/act/end-at-once.js';
import { type Ending, endRest, endTree } from '../../src/act/end-tree.js';
import type { Target } from '../../src/decide/verdict.js';
import { type Identity, parsePid } from '../../src/model/identity.js';
import type { Seen } from '../../src/model/process.js';

const pidOf = (value: number) => parsePid(value) ?? expect.fail(`${value} is no pid`);
const process_ = (pid: number, startToken: string | undefined = `1344007490413${pid}`): Identity => ({
  pid: pidOf(pid),
  startToken,
});
const [SERVER, LAUNCHER, MCP] = [process_(1960), process_(1600), process_(1956)];
const target = { server: SERVER, launcher: LAUNCHER, hung: false } as unknown as Target;
const tree = [SERVER, LAUNCHER, MCP];

/** PowerShell as it would answer: what became of each pid; and every script that it was given. */
function ending(answers: Readonly<Record<number, string>>, but: Partial<Ending> = {}) {
  const scripts: string[] = [];
  const runScript = async (script: string): Promise<string | undefined> => {
    scripts.push(script);
    const pids = [...script.matchAll(/'(\d+):\d+'/g)].map(([, pid]) => Number(pid));
    return JSON.stringify({ ended: pids.map((pid) => ({ pid, what: answers[pid] ?? 'gone' })) });
  };
  const look = (): never => expect.fail('nothing is looked at, or signaled');
  return { scripts, ending: { look, lineage: new Set<number>(), graceMs: 0, runScript, ...but } };
}

const seen = ({ pid, startToken }: Identity): Seen => ({ pid, startToken, name: 'opencode.exe' }) as unknown as Seen;

const all = { 1960: 'ended', 1600: 'ended', 1956: 'ended' };

describe('a tree that one PowerShell ends, answered by a stand-in', () => {
  test('is ended server first, and what is left of it in one more call', async () => {
    const { scripts, ending: how } = ending(all);
    expect(await endTree(target, tree, how)).toEqual({ kind: 'ended', signal: 'SIGKILL' });
    expect(scripts).toHaveLength(2);
    expect(scripts[0]).toContain("foreach($t in '1960:13440074904131960','1600:13440074904131600')");
    expect(scripts[1]).toContain("foreach($t in '1956:13440074904131956')");
    // Only in the first call is there a server whose fate decides about the others.
    expect(scripts.map((script) => script.includes('$stay=$true'))).toEqual([true, false]);
  });

  test('is left alone where the server has no start that could be compared there', async () => {
    const { scripts, ending: how } = ending(all);
    const unknown = { ...target, server: { ...SERVER, startToken: 'x' } } as Target;
    expect(await endTree(unknown, tree, how)).toEqual({
      kind: 'withheld',
      because: 'it cannot be told what became of it',
    });
    expect(scripts).toEqual([]);
  });

  test('needs one call where nothing else belongs to it', async () => {
    const { scripts, ending: how } = ending(all);
    expect(await endTree(target, [SERVER, LAUNCHER], how)).toMatchObject({ kind: 'ended' });
    expect(scripts).toHaveLength(1);
  });

  test.each([
    ['gone', { kind: 'gone' }],
    ['replaced', { kind: 'replaced', pid: 1960 }],
    ['denied', { kind: 'denied', pid: 1960 }],
    ['survived', { kind: 'survived', pids: [1960] }],
    ['nonsense', { kind: 'withheld', because: 'it cannot be told what became of it' }],
  ])('a server that is %s is all that was tried', async (what, expected) => {
    const { scripts, ending: how } = ending({ ...all, 1960: what }, { look: () => 'gone' });
    expect(await endTree(target, tree, how)).toEqual(expected);
    expect(scripts).toHaveLength(1);
  });

  test.each(['gone', 'replaced'])(
    'a server that is %s by one word and there by the other is withheld',
    async (what) => {
      const { ending: how } = ending({ ...all, 1960: what }, { look: () => seen(SERVER) });
      expect(await endTree(target, tree, how)).toMatchObject({ kind: 'withheld' });
    },
  );

  test('a launcher that survives is said', async () => {
    expect(await endTree(target, tree, ending({ ...all, 1600: 'survived' }).ending)).toEqual({
      kind: 'survived',
      pids: [1600],
    });
  });

  test('what is left and cannot be ended is said', async () => {
    expect(await endTree(target, tree, ending({ ...all, 1956: 'denied' }).ending)).toEqual({
      kind: 'survived',
      pids: [1956],
    });
    expect(await endRest([MCP], ending({}).ending)).toEqual([]);
    expect(await endRest([MCP], ending({}, { runScript: async () => undefined }).ending)).toEqual([MCP]);
  });

  test('nothing is run when the look is too old, or when we run inside of it', async () => {
    const late = ending(all, { mayBegin: () => false });
    expect(await endTree(target, tree, late.ending)).toEqual({ kind: 'late' });
    const inside = ending(all, { lineage: new Set([1600]) });
    expect(await endTree(target, tree, inside.ending)).toMatchObject({ kind: 'withheld' });
    const self = ending(all, { lineage: new Set([1956]) });
    expect(await endRest([MCP], self.ending)).toEqual([MCP]);
    expect([...late.scripts, ...inside.scripts, ...self.scripts]).toEqual([]);
  });
});

test('neither this program, nor what is above it, nor what is no process, is in what is run, whatever else is', async () => {
  const scripts: string[] = [];
  const run = async (script: string) => {
    scripts.push(script);
    return '{"ended":[{"pid":1960,"what":"ended"}]}';
  };
  const at = (pid: number) => ({ ...SERVER, pid: pid as typeof SERVER.pid });
  const none = [at(process.pid), at(1), at(0), at(-5), at(1700)];
  expect([...(await endAtOnce([SERVER, ...none], true, run, new Set([1700])))]).toEqual([[1960, 'ended']]);
  expect(scripts.map((script) => script.match(/'-?\d+:\d+'/g))).toEqual([[`'1960:${SERVER.startToken}'`]]);
  for (const one of none) await endAtOnce([one], true, run, new Set([1700]));
  expect(scripts).toHaveLength(1);
  await endAtOnce([at(2)], false, run, new Set());
  expect(scripts[1]).toContain("'2:");
});

describe('the script', () => {
  test('has single quotes only, in one line, and ends what it opened by what it opened', () => {
    const script = endScript([SERVER, LAUNCHER], true) ?? expect.fail('no script');
    expect(script).not.toMatch(/["\n]|Bypass|Hidden|Encoded/);
    expect(script.match(/Stop-Process/g)).toHaveLength(1);
    expect(script).toContain('Stop-Process -InputObject $p -Force');
    expect(script.indexOf('$p.Handle')).toBeLessThan(script.indexOf('StartTime'));
    expect(script.indexOf('StartTime')).toBeLessThan(script.indexOf('Stop-Process'));
    // Only where the first one is the server does it decide about the others.
    expect(script).toContain("if($w -ne 'ended'){$stay=$true}");
    expect(script).toContain('$stay=$true;@{pid=[int]$a[0];what=$w};continue}');
    expect(endScript([MCP], false)).not.toContain('$stay=$true');
  });

  test.each([undefined, '', '1234', '1344007490413;rm', "1344007490413'0000", '134400749041389999999'])(
    'there is none for a start token like %s',
    (token) => {
      expect(endScript([SERVER, { pid: pidOf(7), startToken: token }], true)).toBeUndefined();
    },
  );

  test('there is none for nothing', () => {
    expect(endScript([], true)).toBeUndefined();
  });

  test.each([
    undefined,
    '',
    'Get-Process : Access denied',
    '{"ended":{}}',
    '{"ended":[{"pid":1,"what":"ended"},7,null]}',
    '{"ended":[{"pid":1960}]}',
  ])('an answer like %s says nothing', (text) => {
    expect([...parseEnded(text, [SERVER])]).toEqual([[1960, 'unknown']]);
  });
});
