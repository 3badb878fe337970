import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { foreignListener, otherPlatform, portableProcesses } from '../../src/observe/other.js';
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

describe('who holds a port, where it is another user', () => {
  const row = (pid: number, uid: number): string => `${pid} 1 ${uid} 0.0 0.1 Tue Nov 24 09:10:11 2026 node`;
  /** What `ps` and `ss` say of a process of that user that holds the port. */
  const held = (uid: number, pid = 4242): Readonly<Record<string, string>> => ({
    ss: `#!/bin/sh\necho 'tcp LISTEN 0 511 127.0.0.1:4096 0.0.0.0:* users:(("node",pid=${pid},fd=18))'\n`,
    ps: [
      '#!/bin/sh',
      'case "$*" in',
      `*args=*) printf '%s\\n' '${process.pid} node x' '4242 node y' ;;`,
      `*) printf '%s\\n' '${row(process.pid, 501)}' '${row(4242, uid)}' ;;`,
      'esac',
      '',
    ].join('\n'),
  });

  test.each<[string, Readonly<Record<string, string>>, unknown]>([
    ['is named', held(502), { pid: 4242, owner: '502' }],
    ['is not, where it is one of ours', held(501), undefined],
    ['is not, where its owner is not shown', held(502, 4243), undefined],
    ['is not, where nobody is found', { ...held(502), ss: '#!/bin/sh\n' }, undefined],
    ['is not, where processes cannot be listed', { ...held(502), ps: '#!/bin/sh\nexit 1\n' }, undefined],
  ])('%s', async (_what, tools, expected) => {
    withTools(tools);
    expect(await foreignListener(4096, '501')).toEqual(expected);
  });
});

test('a mistake of ours comes through', async () => {
  await expect(otherPlatform.listener(70_000)).rejects.toThrow(TypeError);
});
