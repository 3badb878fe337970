import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FOLDER_VARIABLES } from '../../src/model/folder-variables.js';
import type { Environment } from '../../src/model/process.js';
import { environmentFrom, isAsked } from '../../src/observe/environment.js';

const OF_NOBODY: Environment = {
  tag: undefined,
  opencodePid: undefined,
  inOpencode: false,
  pluginConfig: false,
  keep: false,
  claudeConfigDir: undefined,
  folders: {},
  marks: { kimaki: false, ade: false, adePid: undefined, claude: false, claudePid: undefined, servicePid: undefined },
  inTerminal: false,
  origin: {
    home: undefined,
    inAgent: false,
    aiAgent: undefined,
    claudeCode: undefined,
    gitEditor: undefined,
    envFile: undefined,
    pluginRoot: undefined,
    pluginData: undefined,
    clientPid: undefined,
    session: undefined,
  },
  username: undefined,
  password: undefined,
  passwordOfSecond: undefined,
};

describe('an environment that says nothing which is asked for', () => {
  test.each<[string, readonly string[]]>([
    ['has no variables', []],
    ['has others', ['PATH=/bin', 'OPENCODE_API_KEY=secret', 'opencode=1', ' OPENCODE=1']],
    ['has lines that are no variables', ['OPENCODE', 'OPENCODE_REAP_TAGx', 'HOMEx', '=', '=OPENCODE=1', '']],
  ])('%s', (_what, variables) => {
    expect(environmentFrom(variables)).toEqual(OF_NOBODY);
  });
});

type Row = readonly [variable: string, said: Partial<Environment>];

describe('an environment says', () => {
  test.each<Row>([
    ['OPENCODE_REAP_TAG=a=b', { tag: 'a=b' }],
    ['OPENCODE_PID=7', { opencodePid: '7' }],
    ['OPENCODE=1', { inOpencode: true }],
    ['OPENCODE=0', { inOpencode: false }],
    ['OPENCODE_REAP=keep', { keep: true }],
    ['OPENCODE_REAP=', { keep: false }],
    ['OPENCODE_TERMINAL=1', { inTerminal: true }],
    ['OPENCODE_TERMINAL=0', { inTerminal: false }],
    ['OPENCODE_SERVER_USERNAME=me', { username: 'me' }],
    ['OPENCODE_CONFIG_DIR=/home/me/.claude/plugins/cache/market/x/1.0/opencode-config', { pluginConfig: true }],
    ['OPENCODE_CONFIG_DIR=/home/me/.claude/plugins/cache/market/x/1.0/opencode-config/', { pluginConfig: false }],
    ['OPENCODE_CONFIG_DIR=/home/me/opencode-config', { pluginConfig: false }],
    ['CLAUDE_CONFIG_DIR=/work', { claudeConfigDir: '/work' }],
    ['CLAUDE_CONFIG_DIR=work', { claudeConfigDir: 'work' }],
    ['HOME=/home/me', { claudeConfigDir: join('/home/me', '.claude') }],
    ['HOME=', { claudeConfigDir: undefined }],
  ])('by %s', (variable, said) => {
    expect(environmentFrom(['PATH=/bin', variable])).toMatchObject(said);
  });

  test('where Claude Code is configured: as it says, else in its home', () => {
    const home = 'HOME=/home/me';
    expect(environmentFrom([home, 'CLAUDE_CONFIG_DIR=/work']).claudeConfigDir).toBe('/work');
    expect(environmentFrom([home, 'CLAUDE_CONFIG_DIR=']).claudeConfigDir).toBe(join('/home/me', '.claude'));
  });

  test.each<readonly [string, Partial<NonNullable<Environment['marks']>>]>([
    ['KIMAKI=1', { kimaki: true }],
    ['KIMAKI=0', { kimaki: false }],
    ['ADE_OPENCODE_MANAGED=1', { ade: true }],
    ['ADE_OPENCODE_MANAGED=', { ade: false }],
    ['ADE_OPENCODE_OWNER_PID=77', { adePid: 77 as never }],
    ['ADE_OPENCODE_OWNER_PID=', { adePid: undefined }],
    ['CLAUDECODE=1', { claude: true }],
    ['CLAUDECODE=0', { claude: false }],
    ['CLAUDE_PID=78', { claudePid: 78 as never }],
    ['SYSTEMD_EXEC_PID=79', { servicePid: 79 as never }],
    ['SYSTEMD_EXEC_PID=1', { servicePid: undefined }],
  ])('who manages it, by %s', (variable, said) => {
    expect(environmentFrom([variable]).marks).toEqual({ ...OF_NOBODY.marks, ...said });
  });

  test('who started it, in words of its own', () => {
    const said = environmentFrom([
      ...['HOME=/h', 'CLAUDECODE=1', 'GIT_EDITOR=true', 'CLAUDE_ENV_FILE=/e', 'CLAUDE_PID=42'],
      ...['CLAUDE_CODE_SESSION_ID=s', 'AI_AGENT=x', 'CLAUDE_PLUGIN_ROOT=/p', 'CLAUDE_PLUGIN_DATA=/d'],
    ]);
    expect(said.origin).toEqual({
      home: '/h',
      inAgent: false,
      aiAgent: 'x',
      claudeCode: '1',
      gitEditor: 'true',
      envFile: '/e',
      pluginRoot: '/p',
      pluginData: '/d',
      clientPid: 42,
      session: 's',
    });
  });

  test.each(['OPENCODE=1', 'OPENCODE=', 'AGENT=1', 'OPENCODE_PID=7'])('that an agent started it, by %s', (variable) => {
    expect(environmentFrom([variable]).origin).toEqual({ ...OF_NOBODY.origin, inAgent: true });
  });

  test('the process of a client only where it can be one, and no session by an empty name', () => {
    for (const none of ['', '1', '0', '-5', '1.5', 'x']) {
      const { origin, marks } = environmentFrom([`CLAUDE_PID=${none}`, 'CLAUDE_CODE_SESSION_ID=']);
      expect([origin, marks]).toEqual([OF_NOBODY.origin, OF_NOBODY.marks]);
    }
  });

  test('its passwords, of which an empty one is none', () => {
    const both = environmentFrom(['OPENCODE_SERVER_PASSWORD=first', 'OPENCODE_PASSWORD=second']);
    expect([both.password?.reveal(), both.passwordOfSecond?.reveal()]).toEqual(['first', 'second']);
    const { password, passwordOfSecond } = environmentFrom(['OPENCODE_SERVER_PASSWORD=', 'OPENCODE_PASSWORD=']);
    expect([password, passwordOfSecond]).toEqual([undefined, undefined]);
  });

  test('the first of two values with one name, as programs see it', () => {
    expect(environmentFrom(['OPENCODE_REAP=keep', 'OPENCODE_REAP=']).keep).toBe(true);
    expect(environmentFrom(['OPENCODE_REAP_TAG=', 'OPENCODE_REAP_TAG=late']).tag).toBe('');
    expect(environmentFrom(['CLAUDE_PID=42', 'CLAUDE_PID=43']).origin?.clientPid).toBe(42);
  });
});

test('folders are those that mean the same to everybody: no relative path, and no empty one', () => {
  const all = Object.fromEntries(FOLDER_VARIABLES.map((name) => [name, `/of/${name}`]));
  const lines = Object.entries(all).map((entry) => entry.join('='));
  expect(environmentFrom(lines).folders).toEqual(all);
  expect(environmentFrom(['TMPDIR=tmp', 'HOME=', 'OPC_DATA_DIR=./x', 'XDG_STATE_HOME=/x']).folders).toEqual({
    XDG_STATE_HOME: '/x',
  });
});

test('no more is kept of an environment than is asked for', () => {
  expect(['HOME', 'OPENCODE_REAP_TAG', 'OPENCODE_PASSWORD'].map(isAsked)).toEqual([true, true, true]);
  expect(['PATH', 'ANTHROPIC_API_KEY', 'OPENCODE_REAP_TAG '].map(isAsked)).toEqual([false, false, false]);
});
