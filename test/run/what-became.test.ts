import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { serverName } from '../../src/decide/server-name.js';
import type { Platform } from '../../src/observe/platform.js';
import type { Past } from '../../src/report/past.js';
import { isAbout, whatBecame } from '../../src/run/what-became.js';
import { OTHER, processOf, type Script, type Scripted, SERVER, scripted } from '../support/scripted.js';

/* What is said of a name that no server has now, on a machine that stands in for a real one. */

const LINE: Past = {
  at: new Date().toISOString(),
  event: 'stopped',
  id: 'srv-1',
  pid: 66,
  port: 4196,
  workspace: '/work',
  detail: 'a test',
};

describe('a line of the log is about', () => {
  const isIt = (name: string, but: Partial<Past> = {}): boolean => isAbout(serverName(name))({ ...LINE, ...but });
  const NOTHING = { pid: undefined, port: undefined, workspace: undefined };

  test.each<[string, string, boolean]>([
    ['its id', 'srv-1', true],
    ['the beginning of its id', 'srv', true],
    ['too little of its id', 'sr', false],
    ['another id', 'srv-2', false],
    ['its pid', '66', true],
    ['its port, as a number', '4196', true],
    ['another number', '67', false],
    ['its port', ':4196', true],
    ['another port', ':66', false],
    ['its folder', '/work', true],
    ['a folder in it', '/work/sub', false],
  ])('the server that has %s', (_what, name, is) => {
    expect(isIt(name)).toBe(is);
  });

  test('no server by what it does not say', () => {
    for (const name of ['66', ':4196', '/work', 'word']) expect(isIt(name, NOTHING)).toBe(false);
  });

  test('an id by a number that is no pid and no port of it', () => {
    expect([isIt('12345', { id: '12345' }), isIt('1234', { id: '12345' })]).toEqual([true, false]);
  });

  test('the workspace that a folder lies in', async () => {
    const { root } = await scripted();
    mkdirSync(join(root, '.git'));
    mkdirSync(join(root, 'sub'));
    expect([isIt(join(root, 'sub'), { workspace: root }), isIt(join(root, 'sub'))]).toEqual([true, false]);
  });
});

test('the newest line that says how it came to its end is told', async () => {
  const stage = await scripted();
  const lines = [
    LINE,
    { ...LINE, detail: 'later' },
    { ...LINE, event: 'spared' },
    { ...LINE, id: 'b', pid: 1, port: 1 },
  ];
  stage.write('log.ndjson', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  expect((await whatBecame('66', stage.world)).past).toMatchObject({ event: 'stopped', detail: 'later' });
  expect((await whatBecame('67', stage.world)).past).toBeUndefined();
});

describe('what is there instead', () => {
  const on = (listener: Awaited<ReturnType<Platform['listener']>>): Script => ({
    platform: (here) => ({
      listener: async (port) => {
        await here.listener(port);
        return listener;
      },
    }),
  });
  const here = (stage: Scripted, name: string) => whatBecame(name, stage.world).then(({ instead }) => instead);
  const isAskedFor = (stage: Scripted): boolean => stage.steps.includes('listener');

  test.each(['4196', ':4196'])('is who listens on port %s', async (name) => {
    const stage = await scripted(on({ pid: OTHER, owner: undefined }));
    stage.processes.set(OTHER, processOf(OTHER));
    expect(await here(stage, name)).toEqual({ what: 'port', number: 4196, by: { pid: OTHER, name: 'other' } });
  });

  test('is a process where it has ended, or cannot be looked at', async () => {
    const stage = await scripted(on({ pid: OTHER, owner: undefined }));
    expect(await here(stage, ':4196')).toMatchObject({ by: { pid: OTHER, name: 'a process' } });
  });

  test('is somebody who cannot be seen', async () => {
    const stage = await scripted(on({ pid: undefined, owner: 'another' }));
    expect(await here(stage, ':4196')).toEqual({ what: 'port', number: 4196, by: undefined });
  });

  test.each<['nobody' | undefined]>([['nobody'], [undefined]])('is nothing where %s listens', async (listener) => {
    const stage = await scripted(on(listener));
    expect(await here(stage, ':4196')).toBeUndefined();
    expect(isAskedFor(stage)).toBe(true);
  });

  test('is the process with that pid, where it is no port of anybody’s', async () => {
    const stage = await scripted(on('nobody'));
    expect(await here(stage, `${SERVER}`)).toEqual({
      what: 'pid',
      number: SERVER,
      by: { pid: SERVER, name: 'server' },
    });
    expect(await here(stage, `${OTHER}`)).toBeUndefined();
    // A port alone is no pid.
    expect(await here(stage, ':50000')).toBeUndefined();
  });

  test('is looked for on ports that there can be', async () => {
    for (const [name, is] of [
      ['65535', true],
      ['65536', false],
      [':65536', false],
      ['word', false],
      ['/folder', false],
    ] as const) {
      const stage = await scripted(on('nobody'));
      expect([await here(stage, name), isAskedFor(stage)]).toEqual([undefined, is]);
    }
  });
});
