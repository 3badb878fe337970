import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../src/model/identity.js';
import { type Here, listedSessions } from '../../src/state/claude-sessions.js';

/** Keys and forms of a public capture of Claude Code 2.1.267 on macOS, with other values. */
const AFTER_A_CAPTURE = readFileSync(join(import.meta.dirname, 'macos/c-claude-session.json'), 'utf8');

const MACOS: Host = { id: 'a Mac', boot: 'its boot', pidNamespace: 'darwin', name: 'mac' };
const LINUX: Host = { id: 'a box', boot: 'its boot', pidNamespace: 'pid:[4026531836]', name: 'box' };
const here: Here = { host: MACOS, startTokens: 'seconds' };

let config: string;
beforeEach(() => {
  config = mkdtempSync(join(tmpdir(), 'opencode-reap-listed-'));
  mkdirSync(join(config, 'sessions'));
});
afterEach(() => rmSync(config, { recursive: true }));

const put = (content: string, name = '2300.json'): void => writeFileSync(join(config, 'sessions', name), content);
const changed = (changes: object): string => JSON.stringify({ ...JSON.parse(AFTER_A_CAPTURE), ...changes });

describe('an entry that Claude Code wrote on macOS', () => {
  test('names its process by the second in which that began', () => {
    put(AFTER_A_CAPTURE);
    expect(listedSessions(config, here)).toEqual([
      {
        holder: { pid: 2300, startToken: String(Date.UTC(2026, 10, 24, 8, 0, 9) / 1000) },
        session: '11111111-2222-4333-8444-555555555555',
        path: '/Users/alex/Projects/one',
      },
    ]);
  });

  test.each<[string, unknown]>([
    ['is missing', undefined],
    ['is a tick', '656078'],
    ['is in another language', 'mar. 24 nov. 08:00:09 2026'],
    ['is a date that there is not', 'Mon Nov 24 08:00:09 2026'],
    ['is no text', { at: 1 }],
    ['is enormous', '9'.repeat(500_000)],
    ['has a line break and an escape', 'Tue Nov 24 08:00:09 2026\n\u001b[2J'],
  ])('may mean any process with that pid if its start %s', (_what, procStart) => {
    put(changed({ procStart }));
    expect(listedSessions(config, here)).toMatchObject([{ holder: { pid: 2300, startToken: undefined } }]);
  });

  test('is not of this machine where pids are others: seen in a container, or written in one', () => {
    put(AFTER_A_CAPTURE);
    put(changed({ pid: 2301, pidDomain: 'linux:0123456789abcdef0123456789abcdef:pid:[4026531836]' }), '2301.json');
    const pids = (host: Here): unknown => listedSessions(config, host)?.map(({ holder }) => holder.pid);
    expect(pids(here)).toEqual([2300]);
    expect(pids({ host: LINUX, startTokens: 'ticks' })).toEqual([2301]);
  });
});
