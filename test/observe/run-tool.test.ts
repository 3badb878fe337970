import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runTool, type Tool } from '../../src/observe/run-tool.js';
import { alive } from '../support/proc.js';
import { waitFor } from '../support/wait.js';

const run = (file: string, args: readonly string[] = [], more: Partial<Tool> = {}) =>
  runTool({ file, args, env: {}, cwd: '/', timeoutMs: 5_000, maxBytes: 100_000, encoding: 'latin1', ...more });

const shell = (line: string, more?: Partial<Tool>) => run('/bin/sh', ['-c', line], more);

test('what a tool printed is handed over with its exit code, byte for byte', async () => {
  expect(await shell("printf 'a\\303\\251\\0\\n'; exit 3")).toEqual({
    kind: 'finished',
    code: 3,
    stdout: 'a\u00c3\u00a9\0\n',
  });
  expect(await shell("printf 'a\\303\\251'", { encoding: 'utf8' })).toMatchObject({ stdout: 'aé' });
});

test('it gets that environment and nothing of ours, that folder, and nothing to read', async () => {
  expect(await run('/usr/bin/env', [], { env: { TZ: 'UTC0' } })).toMatchObject({ code: 0, stdout: 'TZ=UTC0\n' });
  expect(await shell('pwd; cat', { cwd: '/usr' })).toMatchObject({ code: 0, stdout: '/usr\n' });
});

test.each<[string, () => ReturnType<typeof runTool>, RegExp]>([
  ['is not there', () => run('/nowhere/ps'), /ENOENT/],
  ['may not be run', () => run('/etc/passwd'), /EACCES/],
  ['is told more than fits', () => run('/bin/echo', ['x'.repeat(4_000_000)]), /E2BIG/],
  ['is ended by a signal', () => shell('echo half; kill -9 $$'), /SIGKILL/],
  ['prints too much', () => shell('yes'), /printed too much/],
  ['complains too much', () => shell('yes >&2'), /printed too much/],
  ['takes too long', () => shell('echo half; exec sleep 60', { timeoutMs: 200 }), /longer than 200 ms/],
  ['leaves its output to a program that stays', () => shell('sleep 2 & echo half', { timeoutMs: 200 }), /longer/],
])('one that %s has failed, and half of its output is not returned', async (_why, failing, why) => {
  const began = performance.now();
  const result = await failing();
  expect(performance.now() - began).toBeLessThan(4_000);
  expect(result).toEqual({ kind: 'failed', why: expect.stringMatching(why) });
  expect(JSON.stringify(result)).not.toContain('half');
});

test('one that took too long is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'run-tool-'));
  const noted = join(folder, 'pid');
  await shell(`echo $$ > ${noted}; exec sleep 60`, { timeoutMs: 300 });
  const pid = Number(readFileSync(noted, 'utf8'));
  expect(pid).toBeGreaterThan(1);
  await waitFor('its end', () => !alive(pid));
  rmSync(folder, { recursive: true });
});

test('a mistake of ours comes through', async () => {
  await expect(run('/bin/echo', [], { cwd: 5 as never })).rejects.toThrow(TypeError);
});
