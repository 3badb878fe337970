import { existsSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'vitest';
import { runCli } from '../support/cli.js';
import { identityOf, installFake, machine, recordOf, startFake, writeState } from '../support/fake.js';
import { callHook } from '../support/hooks.js';
import { inhabitants } from '../support/inhabitants.js';
import { sampled } from '../support/patience.js';
import { alive, children, cmdline } from '../support/proc.js';
import { test } from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';
import { actOnFence, killedAt, liftHeldUpAt, sweepSteps } from '../support/steps.js';
import { waitFor } from '../support/wait.js';

const SLOW = { timeout: 600_000 };
const ALL = ['--all-stale', '--older-than', '0s', '--grace', '1s'];

/** The names that count in a state folder: a writer that is killed leaves its temporary file for an hour. */
const namesIn = (stateDir: string): string[] =>
  readdirSync(stateDir, { recursive: true, withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() && !/\.tmp$|^(machine|stopped)$|^log\.ndjson$|^opencode-reap-\w+\.mjs$/.test(entry.name),
    )
    .map(({ parentPath, name }) => join(parentPath, name).slice(stateDir.length + 1))
    .sort();

const jsonIn = (stateDir: string, name: string) => JSON.parse(readFileSync(join(stateDir, name), 'utf8'));

/** A reader of the folder finds the record, or a fence that has it, and no incomplete file. */
const textOfRecord = (stateDir: string): string | undefined => {
  const names = namesIn(stateDir);
  const record = names.find((name) => name === 'servers/byhand.json');
  for (const name of names) jsonIn(stateDir, name);
  if (record) return readFileSync(join(stateDir, record), 'utf8');
  return names.filter((name) => name.startsWith('closing/')).map((name) => jsonIn(stateDir, name).record)[0];
};

const withRecord = async ({ stateDir, ...sandbox }: Sandbox): Promise<string> => {
  await rm(stateDir, { recursive: true, force: true });
  const record = recordOf({ stateDir, ...sandbox }, 'byhand', { pid: process.pid, port: 4999 });
  await writeState(stateDir, 'machine', machine());
  await writeState(stateDir, 'servers/byhand.json', record);
  return JSON.stringify(record);
};

describe('a fence, at each step of the process that handles it (without a server)', SLOW, () => {
  const handlers = sampled(
    [
      ['of a run that takes it down again', 'withdraw', undefined],
      ['of a run that is done', 'close', undefined],
      ['of a dead run, whose server lives', 'back', 'raise'],
      ['of a dead run, whose server may be ending', 'stay', 'raise'],
      ['of a dead run that had only just raised it', 'back', 'raise, early'],
    ] as const,
    1,
  );
  test.for(handlers)(
    '%s: the record is always to be found, and goes back',
    async ([, what, before], { sandbox, expect }) => {
      const { stateDir } = sandbox;
      const count = await sweepSteps(async (step) => {
        const record = await withRecord(sandbox);
        // Killed before it removes the temporary file, right after the link.
        if (before === 'raise, early') expect(actOnFence(stateDir, 'raise', 7, '999997-1')).toBe(true);
        if (before === 'raise') actOnFence(stateDir, 'raise', 0, '999997-1');
        const killed = actOnFence(stateDir, what, step);
        const isOver = what === 'close' && namesIn(stateDir).length === 0;
        if (!isOver) expect([step, textOfRecord(stateDir)]).toEqual([step, record]);
        actOnFence(stateDir, 'back', 0, '999996-1');
        expect([step, namesIn(stateDir)]).toEqual([step, isOver ? [] : ['servers/byhand.json']]);
        return killed;
      }, 1);
      expect(count).toBeGreaterThan(5);
    },
  );

  const hows = [
    ['', 'back'],
    [' or stays beside it', 'stay'],
  ] as const;
  test.for(hows)(
    'of a dead run%s is lifted by one run, and a slower one brings nothing back',
    async ([, how], { sandbox, expect }) => {
      const { stateDir } = sandbox;
      const ends: string[][] = [];
      const count = await sweepSteps(async (step) => {
        await withRecord(sandbox);
        actOnFence(stateDir, 'raise', 0, '999997-1');
        // The faster run stops the server, or finds that the slower one, which lives, is at it.
        const wasHeldUp = await liftHeldUpAt(stateDir, how, step, () => void actOnFence(stateDir, 'stop', 0));
        // What stays goes with the next run, and brings nothing back either.
        if (how === 'stay') actOnFence(stateDir, 'back', 0, '999996-1');
        const end = existsSync(join(stateDir, 'stopped')) ? [] : ['servers/byhand.json'];
        expect([step, namesIn(stateDir)]).toEqual([step, end]);
        ends.push(end);
        return wasHeldUp;
      }, 1);
      expect(count).toBeGreaterThan(5);
      expect([ends.some((end) => end.length === 0), ends.some((end) => end.length === 1)]).toEqual([true, true]);
    },
  );
});

const kill = (sandbox: Sandbox): void => {
  for (const pid of inhabitants(sandbox)) if (alive(pid)) process.kill(pid, 'SIGKILL');
};

describe.concurrent('SIGKILL before any step (the server is a stand-in)', SLOW, () => {
  test('of a reap: the next one finishes it', async ({ sandbox, expect }) => {
    await sweepSteps(async (step) => {
      await rm(sandbox.stateDir, { recursive: true, force: true });
      const server = await startFake(sandbox);
      await writeState(sandbox.stateDir, 'servers/byhand.json', recordOf(sandbox, 'byhand', server));
      const { code } = await runCli(sandbox, ALL, { env: killedAt(step) });
      expect((await runCli(sandbox, ALL)).code).toBe(0);
      expect([step, alive(server.pid), namesIn(sandbox.stateDir)]).toEqual([step, false, []]);
      return code === null;
    });
  });

  test('of a run that lifts a dead one’s fence: the record of a kept server is there', async ({ sandbox, expect }) => {
    const server = await startFake(sandbox);
    await sweepSteps(async (step) => {
      await rm(sandbox.stateDir, { recursive: true, force: true });
      const record = JSON.stringify(recordOf(sandbox, 'byhand', server));
      await writeState(sandbox.stateDir, 'servers/byhand.json', record);
      await writeState(sandbox.stateDir, 'machine', machine());
      actOnFence(sandbox.stateDir, 'raise', 0);
      await writeState(sandbox.stateDir, 'keep/byhand.json', '{}');
      const { code } = await runCli(sandbox, ALL, { env: killedAt(step) });
      expect([step, textOfRecord(sandbox.stateDir)]).toEqual([step, record]);
      await runCli(sandbox, ALL);
      // Until it is clear that the dead run had not told the server to end.
      const standing = namesIn(sandbox.stateDir).filter((name) => name.startsWith('closing/'));
      expect([step, standing]).toEqual([step, [expect.stringMatching(/^closing\/byhand@\d+-\d+\.back\.json$/)]]);
      for (const name of standing) utimesSync(join(sandbox.stateDir, name), 1, 1);
      await runCli(sandbox, ALL);
      const left = ['keep/byhand.json', 'servers/byhand.json'];
      expect([step, alive(server.pid), namesIn(sandbox.stateDir)]).toEqual([step, true, left]);
      return code === null;
    });
  });

  test.for([
    ['while the server lives', 'first'],
    ['once it has ended', 'second'],
  ] as const)(
    'of a run that finds a server told to end by a dead one, %s: what that leaves ends',
    async ([, killed], { sandbox, expect }) => {
      await sweepSteps(async (step) => {
        await rm(sandbox.stateDir, { recursive: true, force: true });
        const server = await startFake(sandbox, { FAKE_OPENCODE_ENDS: '600000', FAKE_OPENCODE_CHILD: '1' });
        const [child = 0] = children(server.pid);
        const record = JSON.stringify(recordOf(sandbox, 'byhand', server));
        const tree = [server.pid, child].map(identityOf);
        const run = { pid: 999_998, startToken: '1' };
        const fence = { schema: 'opencode-reap/1', id: 'byhand', run, machine: machine(), tree, record };
        await writeState(sandbox.stateDir, 'closing/byhand.json', fence);
        const kills = (which: string) => (which === killed ? { env: killedAt(step) } : {});
        const first = await runCli(sandbox, ['--all-stale', '--older-than', '1h'], kills('first'));
        expect([step, alive(server.pid), alive(child)]).toEqual([step, true, true]);
        process.kill(server.pid, 'SIGKILL');
        await waitFor('the server has ended', () => !alive(server.pid));
        const second = await runCli(sandbox, ALL, kills('second'));
        if (killed === 'second') await runCli(sandbox, ALL);
        expect([step, alive(child), namesIn(sandbox.stateDir)]).toEqual([step, false, []]);
        return (killed === 'first' ? first : second).code === null;
      });
    },
  );

  test('of `start`: no server is left, and the port is free for the next', async ({ sandbox, expect }) => {
    await installFake(sandbox);
    await sweepSteps(async (step) => {
      await rm(sandbox.stateDir, { recursive: true, force: true });
      const port = await sandbox.reserve();
      const start = ['start', '--port', `${port}`, '--retire-after', '0'];
      const { code } = await runCli(sandbox, start, { env: killedAt(step) });
      await runCli(sandbox, ALL);
      expect([step, inhabitants(sandbox).map(cmdline), namesIn(sandbox.stateDir)]).toEqual([step, [], []]);
      expect([step, (await runCli(sandbox, start)).code]).toEqual([step, 0]);
      await runCli(sandbox, ALL);
      expect([step, namesIn(sandbox.stateDir)]).toEqual([step, []]);
      return code === null;
    });
  });

  test('of the background run: the next one does what was asked, once', async ({ sandbox, expect }) => {
    await sweepSteps(async (step) => {
      await rm(sandbox.stateDir, { recursive: true, force: true });
      const server = await startFake(sandbox);
      await writeState(sandbox.stateDir, 'servers/byhand.json', recordOf(sandbox, 'byhand', server));
      const request = { schema: 'opencode-reap/1', at: Date.now(), event: 'session-end', lingerMs: 0, olderThanMs: 0 };
      await writeState(sandbox.stateDir, 'requests/1.json', request);
      const { code } = await runCli(sandbox, ['sweep', '--grace', '1s'], { env: killedAt(step) });
      const wasAsked = existsSync(join(sandbox.stateDir, 'requests/1.json'));
      if (wasAsked) await runCli(sandbox, ['sweep', '--grace', '1s']);
      expect([step, alive(server.pid)]).toEqual([step, false]);
      // What a run leaves that was killed once its work was done, the next one takes.
      await runCli(sandbox, ['sweep']);
      await runCli(sandbox, ALL);
      // The notice is for the next session.
      const left = namesIn(sandbox.stateDir).filter((name) => name !== 'notice.json');
      expect([step, left]).toEqual([step, []]);
      return code === null;
    });
  });
});

describe('SIGKILL before any step of a hook', SLOW, () => {
  const hooks = sampled(
    [
      ['session-start', '{"session_id":"s","source":"startup"}', 'leases'],
      ['session-end', '{"session_id":"s","reason":"other"}', 'requests'],
    ] as const,
    1,
  );
  test.for(hooks)(
    '%s: nothing torn, and the next one is whole',
    async ([event, input, folder], { sandbox, expect }) => {
      // The background run that it starts would take the request away.
      const env = { CLAUDE_PID: `${process.pid}`, OPENCODE_REAP_LINGER: '600s' };
      await sweepSteps(async (step) => {
        await rm(sandbox.stateDir, { recursive: true, force: true });
        const { code, stdout, stderr } = await callHook(sandbox, [event], input, { ...env, ...killedAt(step) }).called;
        expect([stdout, stderr]).toEqual(['', '']);
        for (const name of existsSync(sandbox.stateDir) ? namesIn(sandbox.stateDir) : [])
          jsonIn(sandbox.stateDir, name);
        expect(await callHook(sandbox, [event], input, env).called).toMatchObject({ code: 0 });
        expect(namesIn(sandbox.stateDir).some((name) => name.startsWith(folder))).toBe(true);
        await waitFor('the background run is over', () => {
          kill(sandbox);
          return inhabitants(sandbox).length === 0;
        });
        return code === null;
      }, 1);
    },
  );
});
