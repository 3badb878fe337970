import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { signal } from '../../../src/act/signal.js';
import { parsePid } from '../../../src/model/identity.js';
import { type Judgement, judgeAll, judgeUnrecorded } from '../../../src/run/judge.js';
import { survey } from '../../../src/run/survey.js';
import { openWorld } from '../../../src/run/world.js';
import { SCHEMA, writeState } from '../../support/fake.js';
import { sampled } from '../../support/patience.js';
import { alive } from '../../support/proc.js';
import { createSandbox, type Sandbox } from '../../support/sandbox.js';
import { BEGAN, HOST, MAC, type Made, netstat, ourRow, row, type Said, SERVER, standIn, TAG } from './stand-in.js';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('macos');
});
afterEach(() => sandbox.dispose());

const record = (but: object = {}): Promise<string> =>
  writeState(sandbox.stateDir, 'servers/one.json', {
    schema: SCHEMA,
    id: 'one',
    startedByPlugin: true,
    plugin: 'a test',
    tag: TAG,
    pid: SERVER,
    startToken: String(BEGAN),
    serverPid: SERVER,
    serverStartToken: String(BEGAN),
    machine: HOST,
    hostname: '127.0.0.1',
    port: 4096,
    workspace: sandbox.project,
    startedAt: new Date(BEGAN * 1000).toISOString(),
    state: 'ready',
    ...but,
  });

const platformOf = (said: Said) => standIn(join(sandbox.root, 'tools'), said);

async function judged(platform: ReturnType<typeof platformOf>): Promise<Judgement[]> {
  const world = await openWorld(sandbox.stateDir, sandbox.env(), 'person', platform);
  const around = await survey(world);
  const policy = { olderThanMs: 0 };
  return [...(await judgeAll(around, policy, world)), ...(await judgeUnrecorded(around, policy, world))];
}

/** Its verdict, and what the guards say that decided. */
async function verdictOf(said: Said): Promise<[string | undefined, string]> {
  const [server] = await judged(platformOf(said));
  const verdict = server?.verdict;
  const reasons: readonly string[] = verdict && 'reasons' in verdict ? verdict.reasons : [];
  const details = verdict?.guards.filter(({ name }) => reasons.includes(name)) ?? [];
  return [verdict?.kind, details.map(({ name, detail }) => `${name}: ${detail}`).join('; ')];
}

const withRow = (made: Made, more = ''): Said => ({ ps: `${ourRow()}${row(made)}${more}` });
const lsof = (text: string): Said => ({ lsof: text, lsofCode: 0 });
const LISTENS = `p${SERVER}\nf14\nn127.0.0.1:4096\nTST=LISTEN\n`;
const environmentsWith = (variables: string): Said => ({
  environments: `${process.pid} node test HOME=/x\n${SERVER} /Users/alex/.opencode/bin/opencode serve --port 4096${variables}\n`,
});

describe('what stand-ins for macOS’s tools print is judged', () => {
  test('stale, where every guard can be answered', async () => {
    await record();
    expect(await verdictOf({})).toEqual(['stale', '']);
  });

  const rows: [string, Said, string, RegExp][] = [
    ['ps may not be run', { forbidden: 'ps' }, 'unsure', /identity: /],
    ['ps does not come back', { hangs: 'ps' }, 'unsure', /identity: /],
    ['ps fails', { psCode: 1 }, 'unsure', /identity: /],
    ['ps prints nothing', { ps: '' }, 'unsure', /identity: /],
    ['ps does not show us', { ps: row() }, 'unsure', /identity: /],
    ['ps shows us and nothing else, one row of which is cut', { ps: `${ourRow()}1 1 1 S` }, 'unsure', /identity: /],
    ['ps prints a row that is none', { ps: `${MAC.ps}ps: error\n` }, 'unsure', /identity: /],
    ['ps was cut', { ps: MAC.ps.slice(0, -20) }, 'unsure', /identity: /],
    [
      'ps prints another language',
      { ps: MAC.ps.replaceAll(/(Mon|Tue|Wed|Thu|Fri|Sat|Sun) /g, 'Di ') },
      'unsure',
      /identity: /,
    ],
    ['ps names the server twice', { ps: `${MAC.ps}${row({ began: BEGAN + 1 })}` }, 'unsure', /identity: /],
    ['the server is another user’s', withRow({ owner: '4321' }), 'spared', /identity: .*another user/],
    [
      'the pid is an editor’s that started in that very second',
      withRow({ ucomm: 'vim', args: 'vim opencode serve' }),
      'spared',
      /identity: .*not an `opencode serve`/,
    ],
    ['the kernel takes the server down for good', withRow({ stat: 'UEs' }), 'unsure', /identity: .*command line/],
    ['its arguments cannot be read', withRow({ args: '(opencode)' }), 'unsure', /identity: .*command line/],
    ['its path may have blanks', withRow({ args: '/Users/opencode tools/bin/opencode serve' }), 'unsure', /identity: /],
    ['its environment is hidden, and ours is not', environmentsWith(''), 'unsure', /identity: .*environment/],
    [
      'its environment has two tags',
      environmentsWith(` OPENCODE_REAP_TAG=${TAG} X=y OPENCODE_REAP_TAG=z`),
      'unsure',
      /identity: .*environment/,
    ],
    ['its environment has another tag', environmentsWith(' OPENCODE_REAP_TAG=another'), 'spared', /identity: .*tag/],
    [
      'its environment is to be kept',
      environmentsWith(` OPENCODE_REAP_TAG=${TAG} OPENCODE_REAP=keep`),
      'spared',
      /unkept/,
    ],
    ['environments were cut', { environments: MAC.environments.slice(0, -3) }, 'unsure', /identity: .*environment/],
    [
      'it has become another program meanwhile',
      { environments: `${SERVER} /bin/sh A=b\n` },
      'unsure',
      /identity: .*environment/,
    ],
    ['lsof may not be run', { forbidden: 'lsof' }, 'unsure', /idle: its connections cannot be seen/],
    ['lsof does not come back', { hangs: 'lsof' }, 'unsure', /idle: its connections cannot be seen/],
    [
      'lsof ends with code 1 and half an answer',
      { lsof: LISTENS, lsofCode: 1 },
      'unsure',
      /idle: its connections cannot be seen/,
    ],
    ['lsof ends with code 2', { lsofCode: 2 }, 'unsure', /idle: its connections cannot be seen/],
    ['lsof was cut', lsof(LISTENS.slice(0, -2)), 'unsure', /idle: its connections cannot be seen/],
    ['lsof prints a warning', lsof(` lsof: WARNING\n${LISTENS}`), 'unsure', /idle: its connections cannot be seen/],
    ['lsof does not show the server at all', { cwd: '' }, 'unsure', /idle: its connections cannot be seen/],
    [
      'lsof shows a client',
      lsof(`${LISTENS}f15\nn127.0.0.1:4096->127.0.0.1:5\nTST=ESTABLISHED\n`),
      'spared',
      /idle: 1 client connection open/,
    ],
    [
      'lsof shows the client’s end of what was not accepted',
      lsof(`${LISTENS}p77\nf15\nn127.0.0.1:5->127.0.0.1:4096\nTST=ESTABLISHED\n`),
      'spared',
      /idle: 1 client connection open \(pid 77\)/,
    ],
    ['netstat may not be run', { forbidden: 'netstat' }, 'unsure', /idle: its connections cannot be seen/],
    ['netstat does not come back', { hangs: 'netstat' }, 'unsure', /idle: its connections cannot be seen/],
    ['netstat fails', { netstatCode: 1 }, 'unsure', /idle: its connections cannot be seen/],
    ['netstat prints no heading', { netstat: '' }, 'unsure', /idle: its connections cannot be seen/],
    [
      'netstat alone shows a client, another user’s',
      { ...lsof(LISTENS), netstat: netstat('tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 ESTABLISHED\n') },
      'spared',
      /idle: 1 client connection open$/,
    ],
    [
      'netstat shows that a client has just left',
      { ...lsof(LISTENS), netstat: netstat('tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 TIME_WAIT\n') },
      'spared',
      /idle: it was used within the last minute/,
    ],
    [
      'a tool runs in it',
      withRow({}, row({ pid: SERVER + 1, parent: SERVER, ucomm: 'zsh', args: 'zsh -c npm test' })),
      'spared',
      /idle: a tool or shell runs in it/,
    ],
  ];
  const hangs = ([, said]: (typeof rows)[number]): boolean => said.hangs !== undefined;
  // Each of these waits until it gives a tool up.
  const some = [...rows.filter((row) => !hangs(row)), ...sampled(rows.filter(hangs), 1)];
  test.each(some)('as it should be when %s', async (_what, said, kind, reason) => {
    await record();
    const [verdict, because] = await verdictOf(said);
    expect([verdict, because]).toEqual([kind, expect.stringMatching(reason)]);
  });

  test.each<[string, Said]>([
    ['is a zombie', withRow({ stat: 'Z', args: '<defunct>' })],
    ['is free', { ps: ourRow() }],
    [
      'was given to another server in another second',
      { ...withRow({ began: BEGAN + 1 }), ...environmentsWith(' A=b') },
    ],
  ])('gone, when its pid %s', async (_what, said) => {
    await record();
    expect((await verdictOf(said))[0]).toBe('gone');
  });

  test('one by one, where two servers began in the same second', async () => {
    await record();
    const twin = row({ pid: SERVER + 1, args: '/x/opencode serve --port 4097' });
    const servers = await judged(platformOf(withRow({}, twin)));
    expect(servers.map(({ record: { id }, verdict: { kind } }) => [id, kind])).toEqual([
      ['one', 'stale'],
      [`pid-${SERVER + 1}`, 'spared'],
    ]);
  });

  test('by its start alone, where not even our own environment is shown', async () => {
    await record();
    const { environments = '' } = environmentsWith('');
    expect(await verdictOf({ environments: environments.replace(' HOME=/x', '') })).toEqual(['stale', '']);
  });

  test('too young to tell, when it began in the future', async () => {
    const began = Math.floor(Date.now() / 1000) + 600;
    await record({ startToken: String(began), serverStartToken: String(began) });
    expect(await verdictOf(withRow({ began }))).toEqual([
      'unsure',
      expect.stringMatching(/aged: its age cannot be computed/),
    ]);
  });
});

describe('one judgement', () => {
  test('takes ps and lsof once, netstat beside lsof, and the environments of a process once for all judgements', async () => {
    await record();
    const platform = platformOf(
      lsof(
        `${LISTENS}f15\nn127.0.0.1:4096->127.0.0.1:5\nTST=ESTABLISHED\np77\nf3\nn127.0.0.1:5->127.0.0.1:4096\nTST=ESTABLISHED\n`,
      ),
    );
    const counted = async (): Promise<string[]> => {
      const before = platform.calls().length;
      await judged(platform);
      return platform
        .calls()
        .slice(before)
        .map((call) => call.split(' ').slice(0, 2).join(' '))
        .sort();
    };
    expect(await counted()).toEqual(['lsof -nP', 'netstat -an', 'ps -A', 'ps eww']);
    expect(await counted()).toEqual(['lsof -nP', 'netstat -an', 'ps -A']);
  });

  test('asks for sockets once, whoever wants to know in that moment', async () => {
    const platform = platformOf(lsof(LISTENS));
    await platform.processes();
    const before = platform.calls().length;
    await Promise.all([platform.listener(4096), platform.sockets([{ server: SERVER, pids: [SERVER] }])]);
    expect(platform.calls().slice(before)).toHaveLength(2);
  });

  test('takes as many for twenty servers', async () => {
    const more = Array.from({ length: 20 }, (_, at) =>
      row({ pid: SERVER + 1 + at, args: `opencode serve --port ${5000 + at}` }),
    );
    await record();
    const platform = platformOf({ ...withRow({}, more.join('')), ...lsof(LISTENS) });
    await openWorld(sandbox.stateDir, sandbox.env(), 'person', platform).then(survey);
    expect(platform.calls().filter((call) => !call.includes('cwd'))).toHaveLength(4);
  });

  test('says nothing of what an environment holds', async () => {
    await record();
    const servers = await judged(platformOf(environmentsWith(' SECRET=hunter2 OPENCODE_SERVER_PASSWORD=hunter3')));
    expect(JSON.stringify(servers, (_, value) => (value instanceof Map ? [...value] : value))).not.toContain('hunter');
  });
});

describe('right before a signal, a stand-in for ps is asked once more', () => {
  const target = (pid: number, began = BEGAN) => ({ pid: parsePid(pid) ?? expect.fail(), startToken: String(began) });

  const sent = async (look: (pid: number, began: number) => Said): Promise<[string, boolean]> => {
    const { pid = 0 } = sandbox.spawn('sleep', ['600'], { stdio: 'ignore' });
    const listed = row({ pid, ucomm: 'sleep', args: 'sleep 600' });
    const platform = platformOf({ ps: `${ourRow()}${listed}`, ...look(pid, BEGAN) });
    await platform.processes();
    const answer = await signal(target(pid), 'SIGTERM', platform.look, new Set());
    await sleep(100);
    return [answer, alive(pid)];
  };

  test('and then it is sent', async () => {
    expect(await sent(() => ({}))).toEqual(['sent', false]);
  });

  test.each<[string, (pid: number, began: number) => Said, string]>([
    [
      'shows another process by that pid',
      (pid, began) => ({ look: `${ourRow()}${row({ pid, began: began + 1 })}` }),
      'replaced',
    ],
    ['shows a zombie', (pid) => ({ look: `${ourRow()}${row({ pid, stat: 'Z+' })}` }), 'gone'],
    ['does not show it', () => ({ look: ourRow() }), 'gone'],
    ['does not show us', (pid) => ({ look: row({ pid }) }), 'unknown'],
    ['shows nothing', () => ({ look: '' }), 'unknown'],
    ['shows half a row', () => ({ look: `${ourRow()}1 1` }), 'unknown'],
    ['fails', () => ({ psCode: 1 }), 'unknown'],
    ['may not be run', () => ({ forbidden: 'ps' }), 'unknown'],
    ['does not come back', () => ({ hangs: 'ps' }), 'unknown'],
  ])('and nothing is sent when it %s', async (_what, look, answer) => {
    expect(await sent(look)).toEqual([answer, true]);
  });

  test('once for all that are looked at in the same moment', async () => {
    const platform = platformOf(withRow({}, row({ pid: SERVER + 1 })));
    const seen = await Promise.all([SERVER, SERVER + 1, SERVER + 2].map(platform.look));
    expect(seen.map((one) => (typeof one === 'string' ? one : one.pid))).toEqual([SERVER, SERVER + 1, 'gone']);
    expect(platform.calls()).toHaveLength(1);
    await platform.look(SERVER);
    expect(platform.calls()).toHaveLength(2);
  });

  test('and a pid that it refuses is not taken for one that has ended', async () => {
    expect(await platformOf({}).look(10_000_000)).toBe('unknown');
  });
});

describe('who listens on a port, by stand-ins', () => {
  test.each<[string, Said, object | string | undefined]>([
    ['a process of ours', lsof(LISTENS), { pid: SERVER }],
    [
      'one that lsof does not show',
      { netstat: netstat('tcp4 0 0 127.0.0.1.4096 *.* LISTEN\n') },
      { pid: undefined, owner: undefined },
    ],
    ['nobody', {}, 'nobody'],
    ['nobody knows', { forbidden: 'lsof' }, undefined],
    ['not known either without the list of everybody’s', { forbidden: 'netstat' }, undefined],
  ])('is %s', async (_what, said, listener) => {
    const platform = platformOf(said);
    await platform.processes();
    const found = await platform.listener(4096);
    if (typeof listener === 'object') expect(found).toMatchObject(listener);
    else expect(found).toBe(listener);
  });
});
