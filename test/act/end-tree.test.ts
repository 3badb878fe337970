import { describe, expect, onTestFinished, test } from 'vitest';
import { type Ending, endRest, endTree, waitGone } from '../../src/act/end-tree.js';
import { endStrays } from '../../src/act/strays.js';
import type { Target } from '../../src/decide/verdict.js';
import { type Identity, parsePid } from '../../src/model/identity.js';
import type { Process, Seen } from '../../src/model/process.js';
import { type Clock, standInForClock } from '../support/scripted.js';

/*
 * Which process gets which signal, in which order and when, by stand-ins for the clock and for whatever has these pids:
 * they are higher than any of this machine's. stopping.test.ts ends real trees.
 */

const pidOf = (value: number) => parsePid(value) ?? expect.fail(`${value} is no pid`);
const one = (pid: number): Identity => ({ pid: pidOf(pid), startToken: `began-${pid}` });
const [SERVER, LAUNCHER, MCP, LSP, APART] = [5_000_042, 5_000_041, 5_000_043, 5_000_044, 5_000_045].map(one) as [
  Identity,
  Identity,
  Identity,
  Identity,
  Identity,
];
const NAMES = new Map([
  [SERVER.pid, 'server'],
  [LAUNCHER.pid, 'launcher'],
  [MCP.pid, 'mcp'],
  [LSP.pid, 'lsp'],
  [APART.pid, 'apart'],
]);
const target = (launcher?: Identity): Target => ({ server: SERVER, launcher, hung: false }) as unknown as Target;

type Does = 'ends' | 'nothing' | 'EPERM' | number;

interface Machine {
  readonly clock: Clock;
  /** Every signal that was sent, with when. */
  readonly sent: string[];
  readonly alive: Map<number, Seen>;
  readonly ending: Ending;
  /** What a process does about a signal: it ends at once unless it is said, or after so many milliseconds. */
  on(which: Identity, signal: 'SIGTERM' | 'SIGKILL', does: Does): void;
  ends(which: Identity): void;
  /** Has the clock show just this many milliseconds once, where looks would miss it. */
  showing(ms: number): void;
}

function machine(but: Partial<Ending> = {}, who = [SERVER, LAUNCHER, MCP, LSP, APART]): Machine {
  const clock = standInForClock();
  const began = clock.now();
  const alive = new Map<number, Seen>(who.map((each) => [each.pid, each as unknown as Process]));
  const sent: string[] = [];
  const does = new Map<string, Does>();
  const { kill } = process;
  onTestFinished(() => void Object.assign(process, { kill }));
  const fail = (code: string): never => {
    throw Object.assign(new Error(code), { code });
  };
  Object.assign(process, {
    kill: (pid: number, name: string) => {
      sent.push(`${name} ${NAMES.get(pidOf(pid))} at ${clock.now() - began}`);
      const what = does.get(`${name} ${pid}`) ?? 'ends';
      if (what === 'EPERM') fail('EPERM');
      if (what === 'ends') alive.delete(pid);
      if (typeof what === 'number') clock.at(clock.now() + what, () => alive.delete(pid));
    },
  });
  return {
    clock,
    sent,
    alive,
    ending: { look: (pid) => alive.get(pid) ?? 'gone', lineage: new Set(), graceMs: 1_000, ...but },
    on: ({ pid }, signal, what) => void does.set(`${signal} ${pid}`, what),
    ends: ({ pid }) => void alive.delete(pid),
    showing: (ms) => clock.at(began + ms - 30, () => clock.pass(began + ms - clock.now())),
  };
}

const replaced = (by: Machine, which: Identity): void =>
  void by.alive.set(which.pid, { ...which, startToken: 'another' } as Process);

describe('a tree', () => {
  const TREE = [SERVER, LAUNCHER, MCP, LSP];

  test('ends server first, then its launcher, then what is left of it, each by one SIGTERM', async () => {
    const { ending, sent, alive } = machine();
    expect(await endTree(target(LAUNCHER), TREE, ending)).toEqual({ kind: 'ended', signal: 'SIGTERM' });
    expect(sent).toEqual(['SIGTERM server at 0', 'SIGTERM launcher at 0', 'SIGTERM mcp at 0', 'SIGTERM lsp at 0']);
    expect([...alive.keys()]).toEqual([APART.pid]);
  });

  test('without a launcher ends as well, and what ends with its server gets no signal', async () => {
    const it = machine();
    it.on(SERVER, 'SIGTERM', 60);
    it.clock.at(it.clock.now() + 60, () => [it.ends(MCP), it.ends(LSP)]);
    expect(await endTree(target(), [SERVER, MCP, LSP], it.ending)).toEqual({ kind: 'ended', signal: 'SIGTERM' });
    expect(it.sent).toEqual(['SIGTERM server at 0']);
  });

  test('gets its first signal only while the look that allows it is new', async () => {
    const late = machine({ mayBegin: () => false });
    expect(await endTree(target(LAUNCHER), TREE, late.ending)).toEqual({ kind: 'late' });
    expect(late.sent).toEqual([]);
  });

  test('gets the others whatever time has passed since', async () => {
    let looks = 0;
    const it = machine({
      mayBegin: () => {
        looks += 1;
        return looks === 1;
      },
    });
    it.on(SERVER, 'SIGTERM', 'nothing');
    expect(await endTree(target(LAUNCHER), TREE, it.ending)).toEqual({ kind: 'ended', signal: 'SIGKILL' });
    expect(looks).toBe(1);
    expect(it.alive.size).toBe(1);
  });

  test.each<[string, (it: Machine) => void, object]>([
    ['may not be signaled', (it) => it.on(SERVER, 'SIGTERM', 'EPERM'), { kind: 'denied', pid: SERVER.pid }],
    [
      'can no longer be told from another',
      (it) => it.alive.set(SERVER.pid, 'unknown'),
      { kind: 'withheld', because: 'its identity can no longer be read' },
    ],
    [
      'runs this program',
      (it) => Object.assign(it.ending, { lineage: new Set([SERVER.pid]) }),
      { kind: 'withheld', because: 'this command runs inside it' },
    ],
  ])('stays with all that is in it where the server %s', async (_what, prepare, said) => {
    const it = machine();
    prepare(it);
    expect(await endTree(target(LAUNCHER), TREE, it.ending)).toEqual(said);
    expect([it.sent.filter((each) => !each.includes('server')), it.alive.size]).toEqual([[], 5]);
  });

  test.each<[string, (it: Machine) => void, object]>([
    ['has ended', (it) => it.ends(SERVER), { kind: 'gone' }],
    ['is another process', (it) => replaced(it, SERVER), { kind: 'replaced', pid: SERVER.pid }],
  ])(
    'of which the server %s has a launcher that ends, and the rest is left to be looked at',
    async (_what, prepare, said) => {
      const it = machine();
      prepare(it);
      expect(await endTree(target(LAUNCHER), TREE, it.ending)).toEqual(said);
      expect(it.sent).toEqual(['SIGTERM launcher at 0']);
    },
  );

  test('of which something survives says so', async () => {
    const it = machine();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) it.on(MCP, signal, 'nothing');
    expect(await endTree(target(LAUNCHER), TREE, it.ending)).toEqual({ kind: 'survived', pids: [MCP.pid] });
  });

  test('has its step said before each signal to the server, and no other', async () => {
    const said: unknown[] = [];
    const it = machine();
    it.on(SERVER, 'SIGTERM', 'nothing');
    await endTree(target(), [SERVER, MCP], { ...it.ending, sending: (name) => said.push([name, it.sent.length]) });
    expect(said).toEqual([
      ['SIGTERM', 0],
      ['SIGKILL', it.sent.findIndex((each) => each.startsWith('SIGKILL'))],
    ]);
  });
});

describe('a server that ignores SIGTERM', () => {
  const terms = (it: Machine): string[] => it.sent.filter((each) => /^SIG\w+ server/.test(each));

  test('gets it again every half second, and SIGKILL when its grace is over', async () => {
    const it = machine({ graceMs: 1_200 });
    for (const ms of [500, 1_000, 1_200]) it.showing(ms);
    it.on(SERVER, 'SIGTERM', 'nothing');
    expect(await endTree(target(), [SERVER], it.ending)).toEqual({ kind: 'ended', signal: 'SIGKILL' });
    expect(terms(it)).toEqual([
      'SIGTERM server at 0',
      'SIGTERM server at 500',
      'SIGTERM server at 1000',
      'SIGKILL server at 1200',
    ]);
  });

  test('gets SIGKILL at once where there is no grace', async () => {
    const it = machine({ graceMs: 0 });
    it.on(SERVER, 'SIGTERM', 'nothing');
    expect(await endTree(target(), [SERVER], it.ending)).toEqual({ kind: 'ended', signal: 'SIGKILL' });
    expect(it.sent).toEqual(['SIGTERM server at 0', 'SIGKILL server at 0']);
  });

  test('and takes it the second time has ended by it', async () => {
    const it = machine();
    it.on(SERVER, 'SIGTERM', 600);
    expect(await endTree(target(), [SERVER], it.ending)).toEqual({ kind: 'ended', signal: 'SIGTERM' });
    expect(terms(it)).toHaveLength(2);
  });

  test('is killed alone where its launcher has ended, and with it where that stays too', async () => {
    const it = machine({ graceMs: 100 });
    it.on(SERVER, 'SIGTERM', 'nothing');
    await endTree(target(LAUNCHER), [SERVER, LAUNCHER], it.ending);
    expect(it.sent.filter((each) => each.startsWith('SIGKILL'))).toEqual([expect.stringContaining('server')]);
    const both = machine({ graceMs: 100 });
    for (const each of [SERVER, LAUNCHER]) both.on(each, 'SIGTERM', 'nothing');
    expect(await endTree(target(LAUNCHER), [SERVER, LAUNCHER], both.ending)).toEqual({
      kind: 'ended',
      signal: 'SIGKILL',
    });
    expect(both.sent.filter((each) => each.startsWith('SIGKILL'))).toHaveLength(2);
  });

  test('and waits for a disk has survived, after two seconds', async () => {
    const it = machine({ graceMs: 0 });
    const began = it.clock.now();
    it.showing(2_000);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) it.on(SERVER, signal, 'nothing');
    expect(await endTree(target(), [SERVER, MCP], it.ending)).toEqual({ kind: 'survived', pids: [SERVER.pid] });
    expect(it.clock.now() - began).toBe(2_000);
    // What runs below it stays as long as it does.
    expect(it.alive.has(MCP.pid)).toBe(true);
  });

  test('and may not be killed is denied', async () => {
    const it = machine({ graceMs: 0 });
    it.on(SERVER, 'SIGTERM', 'nothing');
    it.on(SERVER, 'SIGKILL', 'EPERM');
    expect(await endTree(target(), [SERVER], it.ending)).toEqual({ kind: 'denied', pid: SERVER.pid });
  });

  test('and is another process by then is not killed', async () => {
    const it = machine({ graceMs: 700 });
    it.on(SERVER, 'SIGTERM', 'nothing');
    it.clock.at(it.clock.now() + 300, () => replaced(it, SERVER));
    expect(await endTree(target(), [SERVER], it.ending)).toEqual({ kind: 'ended', signal: 'SIGTERM' });
    expect([it.sent, it.alive.has(SERVER.pid)]).toEqual([['SIGTERM server at 0'], true]);
  });
});

describe('a server that is closing, and ends one after another of what runs below it,', () => {
  const killedAt = (it: Machine): number | undefined => {
    const killed = it.sent.find((each) => /^SIGKILL server/.test(each));
    return killed === undefined ? undefined : Number(killed.split(' at ')[1]);
  };

  test('has five seconds more from each of them on', async () => {
    const it = machine();
    it.on(SERVER, 'SIGTERM', 'nothing');
    it.clock.at(it.clock.now() + 100, () => it.ends(MCP));
    it.clock.at(it.clock.now() + 5_100, () => it.ends(LSP));
    // It is seen with the next SIGTERM.
    for (const ms of [500, 5_400, 5_500, 10_500]) it.showing(ms);
    await endTree(target(), [SERVER, MCP, LSP], it.ending);
    expect(killedAt(it)).toBe(10_500);
  });

  test('has them too where what ends is not its own', async () => {
    const it = machine();
    it.on(SERVER, 'SIGTERM', 'nothing');
    it.clock.at(it.clock.now() + 700, () => it.ends(APART));
    await endTree(target(), [SERVER, MCP], it.ending, [APART]);
    expect(killedAt(it)).toBeGreaterThanOrEqual(5_700);
    expect(killedAt(it)).toBeLessThan(5_700 + 700);
    // What stays gets no signal.
    expect(it.sent.filter((each) => each.includes('apart'))).toEqual([]);
  });

  test('has twenty seconds in all', async () => {
    const many = Array.from({ length: 60 }, (_, nth) => one(5_000_100 + nth));
    const it = machine({}, [SERVER, ...many]);
    it.on(SERVER, 'SIGTERM', 'nothing');
    for (const [nth, each] of many.entries()) it.clock.at(it.clock.now() + 900 * (nth + 1), () => it.ends(each));
    it.showing(20_000);
    await endTree(target(), [SERVER, ...many], it.ending);
    expect(killedAt(it)).toBe(20_000);
  });

  test('has its whole grace where that is longer', async () => {
    const it = machine({ graceMs: 30_000 });
    it.on(SERVER, 'SIGTERM', 'nothing');
    it.clock.at(it.clock.now() + 700, () => it.ends(MCP));
    await endTree(target(), [SERVER, MCP], it.ending);
    expect(killedAt(it)).toBeGreaterThanOrEqual(30_000);
  });

  test('has no more than its grace where nothing below it ends', async () => {
    const it = machine();
    it.on(SERVER, 'SIGTERM', 'nothing');
    await endTree(target(), [SERVER, MCP], it.ending);
    expect(killedAt(it)).toBeLessThan(1_050);
  });
});

describe('the rest of a tree whose server is gone', () => {
  test('ends by SIGTERM, and by SIGKILL where it does not; what stays is told', async () => {
    const it = machine({ graceMs: 100 });
    it.ends(LSP);
    it.on(MCP, 'SIGTERM', 'nothing');
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) it.on(APART, signal, 'nothing');
    expect(await endRest([MCP, LSP, LAUNCHER, APART], it.ending)).toEqual([APART]);
    expect(it.sent.map((each) => each.split(' at ')[0])).toEqual([
      'SIGTERM mcp',
      'SIGTERM launcher',
      'SIGTERM apart',
      'SIGKILL mcp',
      'SIGKILL apart',
    ]);
  });

  test('ends nothing of which another has the pid, and nothing where it cannot be told', async () => {
    const it = machine();
    replaced(it, MCP);
    it.alive.set(LSP.pid, 'unknown');
    expect(await endRest([MCP, LSP], { ...it.ending, graceMs: 0 })).toEqual([LSP]);
    expect(it.sent).toEqual([]);
  });

  test('that is nothing takes no time', async () => {
    const it = machine();
    const began = it.clock.now();
    expect(await endRest([], it.ending)).toEqual([]);
    expect(it.clock.now()).toBe(began);
  });
});

test('of what strayed, that which may go ends, and each is told whether it did', async () => {
  const it = machine({ graceMs: 0 });
  const [free, stubborn, kept] = [MCP, LSP, APART].map((each) => ({ ...each, name: NAMES.get(each.pid) }) as Process);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) it.on(LSP, signal, 'nothing');
  if (!free || !stubborn || !kept) expect.fail('three strays');
  expect(await endStrays([free, stubborn, kept], [free, stubborn], it.ending)).toEqual([
    { pid: MCP.pid, name: 'mcp', ended: true },
    { pid: LSP.pid, name: 'lsp', ended: false },
    { pid: APART.pid, name: 'apart', ended: false },
  ]);
});

describe('what has ended', () => {
  test('is looked for soon at first, and never more than 25 ms apart', async () => {
    const it = machine();
    const began = it.clock.now();
    const looks: number[] = [];
    const look = (pid: number): Seen => {
      looks.push(it.clock.now() - began);
      return it.alive.get(pid) ?? 'gone';
    };
    expect(await waitGone([MCP], 100, look)).toEqual([MCP]);
    expect(looks).toEqual([0, 2, 6, 14, 30, 55, 80, 105]);
  });

  test('is not among those that are left, in their order', async () => {
    const it = machine();
    it.ends(LSP);
    expect(await waitGone([MCP, LSP, APART], 0, it.ending.look)).toEqual([MCP, APART]);
  });
});
