import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Fake, filesIn, startFake, writeRecord } from '../support/fake.js';
import { alive, portHolder, startToken } from '../support/proc.js';
import { THROUGH_MACOS } from '../support/program.js';
import { reapJson } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

/*
 * What changes between a look and the act that follows it. The moment is met by a few lines that the program loads
 * first, which wait for a command of the test's before it goes on: what that command does is done to real files and
 * real processes.
 */

const NOW = ['--older-than', '0s', '--grace', '0s'];

const inSandbox = async (): Promise<Sandbox> => {
  const sandbox = await createSandbox('meanwhile');
  onTestFinished(() => sandbox.dispose());
  return sandbox;
};

/** Runs the command right after that call with a path that has those words in it, the first time. */
const after = (sandbox: Sandbox, call: 'linkSync' | 'renameSync', words: string, command: readonly string[]) => {
  const file = join(sandbox.root, 'preload.cjs');
  const [program, ...args] = command;
  writeFileSync(
    file,
    `const fs = require('node:fs');
     const { execFileSync } = require('node:child_process');
     const real = fs.${call};
     let isDone = false;
     fs.${call} = (from, to) => {
       real(from, to);
       if (isDone || !to.includes(${JSON.stringify(words)})) return;
       isDone = true;
       execFileSync(${JSON.stringify(program)}, ${JSON.stringify(args)}, { env: ${JSON.stringify(sandbox.env())} });
     };`,
  );
  return { env: { NODE_OPTIONS: `--require=${file}` } };
};

describe('a record that is changed meanwhile wins, and its server is left alone', () => {
  /** A run announces itself between its look and its judgement, and raises its fence after it. */
  test.each<[string, 'linkSync' | 'renameSync', string, object]>([
    ['since the look', 'renameSync', '/runs/', { verdict: 'spared', reasons: ['owned'], outcome: null }],
    ['while the fence is raised', 'linkSync', '/closing/', { verdict: 'stale', outcome: { kind: 'withheld' } }],
  ])('%s', async (_, call, place, expected) => {
    const sandbox = await inSandbox();
    const fake = await startFake(sandbox);
    const file = await writeRecord(sandbox, 'known', fake);
    const now = readFileSync(file, 'utf8').replace('"startedByPlugin":true', '"startedByPlugin":false');
    const aside = join(sandbox.root, 'now.json');
    writeFileSync(aside, now, { mode: 0o600 });
    const report = await reapJson(sandbox, NOW, after(sandbox, call, place, ['/bin/mv', aside, file]));
    expect(existsSync(aside)).toBe(false);
    expect(report).toMatchObject({ servers: [{ id: 'known', ...expected }] });
    expect([alive(fake.pid), readFileSync(file, 'utf8')]).toEqual([true, now]);
    expect(filesIn(sandbox.stateDir).filter((name) => name.includes('/closing/'))).toEqual([]);
    const again = await reapJson(sandbox, NOW);
    expect(again).toMatchObject({ servers: [{ verdict: 'spared', reasons: ['owned'] }] });
  });
});

/** Linux gives out the pid after this one next. */
const LAST_PID = '/proc/sys/kernel/ns_last_pid';
const mayChoosePid = (): boolean => {
  try {
    writeFileSync(LAST_PID, readFileSync(LAST_PID, 'utf8'));
    return true;
  } catch {
    return false;
  }
};
const withoutPids = mayChoosePid() ? '' : ' (skipped: only root can give a pid again)';

/** Ends a stand-in and starts another one with its pid and its port; other processes may take the pid first. */
const REPLACE = `
  pid=$1 port=$2 asked=$3; kill -9 $pid
  for attempt in $(seq 200); do
    while [ -e /proc/$pid ]; do sleep 0.01; done
    echo $((pid - 1)) > ${LAST_PID}
    FAKE_OPENCODE_ASKED=$asked setsid opencode serve --port $port > /dev/null 2>&1 &
    [ $! = $pid ] && break
    kill -9 $!
    wait $!
  done
  for attempt in $(seq 500); do grep -qi ":$(printf %04X $port) 00000000:0000 0A" /proc/net/tcp && exit; sleep 0.01; done
  exit 1`;

describe.skipIf(withoutPids !== '')(
  `a process that took a stand-in’s pid and port since the look${withoutPids}`,
  () => {
    test('is asked nothing, and is left alone', async () => {
      const sandbox = await inSandbox();
      const fake: Fake = await startFake(sandbox);
      await writeRecord(sandbox, 'known', fake);
      const before = startToken(fake.pid);
      // By macOS's tokens, two starts within one second are the same; there no pid can come back that soon.
      if (THROUGH_MACOS) await sleep(1_000);
      const asked = join(sandbox.root, 'asked');
      const script = join(sandbox.root, 'replace.sh');
      writeFileSync(script, REPLACE);
      const command = ['/bin/bash', script, `${fake.pid}`, `${fake.port}`, asked];
      const report = await reapJson(sandbox, NOW, after(sandbox, 'renameSync', '/runs/', command));
      const now = startToken(fake.pid);
      sandbox.track(fake.pid);
      expect([portHolder(fake.port), now]).toEqual([fake.pid, expect.not.stringMatching(`^${before}$`)]);
      expect(report.servers[0]?.verdict).not.toBe('stale');
      expect([existsSync(asked), alive(fake.pid)]).toEqual([false, true]);
    });
  },
);
