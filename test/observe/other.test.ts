import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { otherPlatform, portableProcesses } from '../../src/observe/other.js';
import { reservePort } from '../support/port.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'opencode-reap-other-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** Puts these in place of the machine's own tools. */
const withTools = (tools: Readonly<Record<string, string>>): void => {
  for (const [name, script] of Object.entries(tools)) {
    writeFileSync(join(folder, name), script);
    chmodSync(join(folder, name), 0o755);
  }
  vi.stubEnv('PATH', folder);
};

describe('where the tools fail', () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ['that are missing', {}],
    ['that end badly', { ps: '#!/bin/sh\nexit 1\n', ss: '#!/bin/sh\nexit 1\n', lsof: '#!/bin/sh\nexit 2\n' }],
    ['that cannot be run', { ps: '#!/not/there\n', ss: '#!/not/there\n', lsof: '#!/not/there\n' }],
    ['that say nothing', { ps: '#!/bin/sh\n', ss: '#!/bin/sh\n' }],
  ])('nothing is known of processes and ports: tools %s', async (_, tools) => {
    withTools(tools);
    expect(await portableProcesses(Date.now())).toBeUndefined();
    expect(await otherPlatform.listener(await reservePort())).toBeUndefined();
  });
});

test('a mistake of ours comes through', async () => {
  await expect(otherPlatform.listener(70_000)).rejects.toThrow(TypeError);
});
