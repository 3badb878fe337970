import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxHost } from '../../src/observe/linux/processes.js';
import { macosGlance } from '../../src/observe/macos/glance.js';
import { listProcesses } from '../../src/observe/macos/processes.js';
import type { Tools } from '../../src/observe/macos/tools.js';
import { debianBoot } from '../support/macos-adapter/glance.js';
import { DEBIANS } from '../support/macos-adapter/this-platform.js';
import { parent, startToken } from '../support/proc.js';

// macOS's glance, through Debian's `ps`.

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'opencode-reap-glance-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A stand-in for a tool. */
const tool = (name: string, script: string): string => {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
};
const withPs = (script: string): Tools => ({ ...DEBIANS, ps: tool('ps', script) });
/** Epoch seconds, which the kernel derives from its clock of now. */
const bootedAt = (): number => Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
const here = (tools: Tools, boot = false) => macosGlance({ boot }, tools, debianBoot);

describe('the glance of a hook on macOS', () => {
  test('names the processes above it, by the same tokens as a whole look', async () => {
    const [{ look }, listed] = [await here(DEBIANS), await listProcesses(DEBIANS)];
    for (const pid of [process.pid, process.ppid]) {
      const whole = listed?.processes.get(pid);
      expect(look(pid)).toEqual({ pid, startToken: whole?.startToken, parent: parent(pid), name: whole?.name });
      expect(look(pid)).toMatchObject({ startToken: String(bootedAt() + Math.floor(Number(startToken(pid)) / 100)) });
    }
    expect(look(4_194_303)).toBe('gone');
  });

  test('says which boot it is only where that is asked for, and never which machine', async () => {
    const asked = join(folder, 'asked');
    const tools = { ...DEBIANS, sysctl: tool('sysctl', `touch ${asked}`) };
    expect((await here(tools)).host()).toMatchObject({ id: undefined, boot: undefined, pidNamespace: 'darwin' });
    expect(existsSync(asked)).toBe(false);
    expect((await here(tools, true)).host()).toMatchObject({ id: undefined, boot: linuxHost().boot });
    expect(existsSync(asked)).toBe(true);
  });

  test.each<[string, string]>([
    ['may not run, as in a sandbox', 'echo "ps: Operation not permitted" >&2; exit 1'],
    ['says nothing', ':'],
    ['does not list us', '/bin/ps "$@" | grep -v node'],
    ['is cut short', '/bin/ps "$@" | head -c 500'],
    ['ends badly after its list', '/bin/ps "$@"; exit 1'],
    ['prints one line that is not understood', '/bin/ps "$@"; echo "    1     2 who knows"'],
    ['prints an escape and a broken line', '/bin/ps "$@"; printf "\\033[2J\\n"'],
  ])('knows nothing of any process where ps %s', async (_what, script) => {
    const { look } = await here(withPs(script));
    expect([look(process.pid), look(process.ppid), look(4_194_303)]).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test('does not wait for a ps that does not end', async () => {
    const began = performance.now();
    const { look } = await here(withPs('exec sleep 30'));
    expect(look(process.pid)).toBe('unknown');
    expect(performance.now() - began).toBeLessThan(1_200);
  });
});
