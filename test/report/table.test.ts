import { describe, expect, test } from 'vitest';
import type { Judged, Reaped } from '../../src/decide/plan.js';
import { closing, listClosing, totals } from '../../src/report/closing.js';
import { table, unrecordedTable } from '../../src/report/table.js';
import { memory, paintFor, percent } from '../../src/report/text.js';

const MB = 1_048_576;

interface Given {
  readonly pid?: number;
  readonly port?: number | undefined;
  /** null for what is not known. */
  readonly megabytes?: number | null;
  readonly cpu?: number;
  readonly verdict?: 'stale' | 'spared' | 'gone';
  readonly outcome?: Partial<Extract<Judged['outcome'], { kind: 'stopped' }>>;
  readonly kept?: 'yes' | 'no';
}

/** Only what a table shows of it. */
const server = ({
  pid = 7,
  port = 4096,
  megabytes = 300,
  cpu,
  verdict = 'stale',
  outcome,
  kept = 'no',
}: Given): Judged =>
  ({
    record: {
      id: `id-${pid}`,
      port,
      workspace: '/home/me/code/a-shop-with-a-long-name/backend',
      source: { format: 'native', file: '/x' },
      spawned: { pid },
    },
    seen: {
      kept,
      owner: { kind: 'plugin', name: 'opencode-companion' },
      located:
        verdict === 'gone'
          ? { kind: 'gone', because: 'its process has ended' }
          : {
              kind: 'present',
              server: {
                pid,
                ageMs: 100_000,
                cpuMs: cpu === undefined ? undefined : cpu * 100_000,
                memoryBytes: megabytes === null ? undefined : megabytes * MB,
              },
            },
    },
    verdict: {
      kind: verdict,
      reasons: ['unleased'],
      because: 'its process has ended',
      guards: [
        { name: 'unleased', outcome: 'veto', detail: '1 live session may use it (pid 87)' },
        { name: 'idle', outcome: 'pass', detail: 'no session busy in 1 directory, no client, no tool' },
      ],
    },
    outcome: outcome && { kind: 'stopped', signal: 'SIGTERM', tookMs: 9, processes: [pid], leftBehind: [], ...outcome },
  }) as unknown as Judged;

const page = (width?: number) => ({ paint: paintFor(false, false, {}), width, home: '/home/me', verbose: false });

const POLICY = { olderThanMs: 0, graceMs: 0, limit: 10 };
const NOTHING = { dryRun: false, policy: POLICY, servers: [], unrecorded: [], skipped: [], staleElsewhere: 0 };
const run = (changes: Partial<Reaped>): Reaped => ({ ...NOTHING, ...changes }) as Reaped;

const gone = (of: number) => ({ pid: of, verdict: 'gone' }) as const;

describe('a table', () => {
  test('has the largest first, and what is not known of it last, each in its order', () => {
    const all = [{ pid: 1, megabytes: 20 }, { pid: 2, megabytes: null }, { pid: 3, megabytes: 400 }, gone(4)];
    const pids = table(all.map(server), page()).map((line) => /^\w+ +(\d+) /.exec(line)?.[1]);
    expect(pids).toEqual([undefined, '3', '1', '2', '4']);
  });

  test('has the share of a core over its life, or at this moment where that was measured', () => {
    const one = server({ pid: 7, cpu: 0.126 });
    expect(table([one], page())[1]).toMatch(/^stale +7 +4096 +2 min +13% +300 MB /);
    const [heading, now, other] = table([one, server({ pid: 8, cpu: 1 })], { ...page(), cpuNow: new Map([[7, 2.5]]) });
    expect([heading, now, other]).toMatchObject(
      [/ CPU NOW /, / 250% /, / – +300 MB/].map((one) => expect.stringMatching(one)),
    );
    expect(table([server({})], page())[1]).toMatch(/ – +300 MB /);
    expect(unrecordedTable([one], page())[1]).toMatch(/^7 +4096 +2 min +13% +300 MB /);
  });

  test('names an id only where neither pid nor port tells which it is', () => {
    const [, ...two] = table([server({ pid: 1 }), server({ pid: 1, port: 4097 }), server(gone(1))], page());
    expect(two.map((line) => /\(id (.+)\)$/.exec(line)?.[1])).toEqual(['id-1', undefined, 'id-1']);
  });

  test.each([60, 80, 120, 160])('fits %i columns, and uses them', (width) => {
    const all = [server({ pid: 1_234_567, cpu: 1 }), server({ pid: 2, verdict: 'spared' })];
    const lines = table(all, page(width));
    expect(lines.filter((line) => line.length > width)).toEqual([]);
    expect(Math.max(...lines.map(({ length }) => length))).toBeGreaterThan(
      { 60: 50, 80: 70, 120: 100, 160: 130 }[width] ?? 0,
    );
    expect(lines).toHaveLength({ 60: 8, 80: 6, 120: 6, 160: 3 }[width] ?? 0);
    for (const words of ['opencode-companion', '(pid 87)', 'no tool']) expect(lines.join('\n')).toContain(words);
  });
});

describe('the last line', () => {
  const two = [server({ pid: 1, megabytes: 700 }), server({ pid: 2, megabytes: 426 }), server({ verdict: 'spared' })];

  test('says what the stale ones hold', () => {
    expect(totals(two)).toBe('2 stale hold 1.1 GB; 1 spared');
    expect(totals([server({ megabytes: 323 })])).toBe('1 stale holds 323 MB');
    expect(totals([server({ megabytes: null })])).toBe('1 stale');
    expect(totals([])).toBe('no servers are recorded here');
  });

  test('says what the stopped ones have given back, but for a port that another has taken', () => {
    const stopped = [
      server({ pid: 1, port: 4096, megabytes: 300, outcome: {} }),
      server({ pid: 2, port: 4197, megabytes: 340, outcome: {} }),
      server({ pid: 3, port: 4198, megabytes: null, outcome: { successor: 9 } }),
      server({ pid: 4, verdict: 'spared' }),
    ];
    expect(totals(stopped)).toBe('3 stopped, 640 MB and ports 4096, 4197 given back; 1 spared');
    expect(totals(stopped.slice(2, 3))).toBe('1 stopped');
    expect(totals(stopped.slice(0, 1))).toBe('1 stopped, 300 MB and port 4096 given back');
  });

  test('of a dry run says how to stop them', () => {
    expect(closing(run({ dryRun: true, servers: two }), page())).toEqual([
      '2 stale hold 1.1 GB; 1 spared; nothing was changed; run without --dry-run to stop them',
    ]);
    expect(closing(run({ dryRun: true, servers: two, policy: { ...POLICY, limit: 1 } }), page())).toEqual([
      '2 stale hold 1.1 GB; 1 spared; nothing was changed; a run would stop none, since more than --limit 1 are stale: --limit 2 lets it',
    ]);
  });

  test('counts what is not recorded in one line, without what is kept', () => {
    const unrecorded = [server({ megabytes: 1500 }), server({ megabytes: 1000 }), server({ kept: 'yes' })];
    const said = '2 more that are not recorded, 2.4 GB: opencode-reap list --all';
    expect(closing(run({ servers: two, unrecorded }), page()).at(-1)).toBe(said);
    expect(listClosing(run({ servers: two, unrecorded }), false, page()).at(-1)).toBe(said);
    expect(closing(run({ unrecorded: unrecorded.slice(1) }), page())).toEqual([
      'no servers are recorded here',
      '1 server that is not recorded, 1.0 GB: opencode-reap list --all',
    ]);
    expect(closing(run({ unrecorded: unrecorded.slice(2) }), page())).toHaveLength(1);
  });

  test('of a list of everything says that there is nothing', () => {
    const nothing = 'no opencode server of yours runs here, and none is recorded';
    expect(listClosing(run({}), true, page())).toEqual([nothing]);
    expect(listClosing(run({ unrecorded: [server({ kept: 'yes' })] }), true, page()).join('\n')).toContain('4096');
  });
});

test('figures are short', () => {
  expect([undefined, 0, 999 * MB, 1000 * MB, 2560 * MB].map(memory)).toEqual([
    '–',
    '0 MB',
    '999 MB',
    '1.0 GB',
    '2.5 GB',
  ]);
  expect([undefined, 0, 0.004, 0.126, 1, 3.5].map(percent)).toEqual(['–', '0%', '0%', '13%', '100%', '350%']);
});
