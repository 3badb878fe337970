import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Tool, ToolResult } from '../../../src/observe/run-tool.js';
import { windowsGlance } from '../../../src/observe/windows/glance.js';

let config: string;
beforeEach(() => {
  config = mkdtempSync(join(tmpdir(), 'glance-'));
  mkdirSync(join(config, 'sessions'));
});
afterEach(() => rmSync(config, { recursive: true }));

const REG = '    MachineGuid    REG_SZ    DA874558-11d1-4d0b-8fa7-eb81b4a3d620\r\n';
const CLAUDE = process.pid;
const GONE = 999_999_999;
const START = '134400737598698460';

async function glanced(entry: object | string | undefined, but: NodeJS.ProcessEnv = {}, stdout = REG) {
  const tools: Tool[] = [];
  const run = async (tool: Tool): Promise<ToolResult> => {
    tools.push(tool);
    return { kind: 'finished', code: 0, stdout };
  };
  const text = typeof entry === 'string' ? entry : JSON.stringify(entry);
  if (entry !== undefined) writeFileSync(join(config, 'sessions', `${CLAUDE}.json`), text);
  const env = { CLAUDE_CONFIG_DIR: config, CLAUDE_PID: `${CLAUDE}`, ...but };
  return { tools, ...(await windowsGlance(run, env, CLAUDE)) };
}

test('the holder is the client that started the hook, by its own list, without PowerShell', async () => {
  const { look, host, tools } = await glanced({ pid: CLAUDE, procStart: START });
  expect(look(CLAUDE)).toEqual({ pid: CLAUDE, startToken: '13440073759869846', name: 'claude', parent: 0 });
  expect(host()).toMatchObject({ id: 'da874558-11d1-4d0b-8fa7-eb81b4a3d620', pidNamespace: 'win32' });
  expect(tools.map(({ file }) => file)).toEqual(['C:\\Windows\\System32\\reg.exe']);
});

test.each<[string, object | string | undefined]>([
  ['is not there, as at the end of a session', undefined],
  ['is of another process', { pid: CLAUDE + 1, procStart: START }],
  ['has a number, which was rounded', { pid: CLAUDE, procStart: 134400737598698460 }],
  ['has a date', { pid: CLAUDE, procStart: 'Wed Nov 25 2026' }],
  ['is of the future', { pid: CLAUDE, procStart: '234400737598698460' }],
  ['is torn', '{"pid":'],
])('where the entry %s, its pid alone is known', async (_why, entry) => {
  expect((await glanced(entry)).look(CLAUDE)).toMatchObject({ pid: CLAUDE, startToken: undefined });
});

test('a start up to this very millisecond has been', async () => {
  const { look } = await glanced({ pid: CLAUDE, procStart: START });
  const began = Number((BigInt(START) - 116_444_736_000_000_000n) / 10_000n);
  const time = vi.spyOn(Date, 'now').mockReturnValue(began);
  onTestFinished(() => time.mockRestore());
  expect(look(CLAUDE)).toMatchObject({ startToken: '13440073759869846' });
  time.mockReturnValue(began - 1);
  expect(look(CLAUDE)).toMatchObject({ startToken: undefined });
});

test('whatever else started the hook is not taken for the client', async () => {
  expect((await glanced({ pid: CLAUDE, procStart: START }, { CLAUDE_PID: '4711' })).look(CLAUDE)).toBe('unknown');
  expect((await glanced({ pid: CLAUDE, procStart: START }, { CLAUDE_PID: undefined })).look(CLAUDE)).toBe('unknown');
});

test('of another process is known whether there is one', async () => {
  const { look } = await glanced(undefined);
  expect(look(process.ppid)).toEqual({ pid: process.ppid, startToken: undefined, name: '', parent: 0 });
  expect([look(GONE), look(0), look(-1)]).toEqual(['gone', 'gone', 'gone']);
});

test('a machine that reg.exe does not name is unknown', async () => {
  expect((await glanced(undefined, {}, '')).host()).toMatchObject({ id: undefined, boot: undefined });
});
