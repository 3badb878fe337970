import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { readPlugin, readStarter } from '../../../src/state/plugins/installed.js';
import { jobThatAsked } from '../../../src/state/plugins/job-logs.js';
import { letOthersWrite } from '../../support/by-hand.js';
import { createSandbox, type Sandbox } from '../../support/sandbox.js';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('job-logs');
  const made = sandbox;
  onTestFinished(() => made.dispose());
});

/** Halves of a second are told exactly by a file’s time. */
const STARTED = Math.floor(Date.now() / 1000) * 1000;

const hashOf = (cwd: string): string => createHash('sha256').update(cwd).digest('hex').slice(0, 16);
const baseOf = (): string => join(sandbox.root, 'tmp/opencode-companion');
const folderOf = (cwd = sandbox.project): string => join(baseOf(), hashOf(cwd), 'jobs');

/** A job's log, with a line so long before a server started. */
const logged = (ms: number, line = 'Connecting to OpenCode server...', cwd?: string, name = 'task-1'): string => {
  mkdirSync(folderOf(cwd), { recursive: true });
  const file = join(folderOf(cwd), `${name}.log`);
  const at = new Date(STARTED - ms).toISOString();
  writeFileSync(file, `[${at}] [starting] ${line}\n[${at}] [running] it answers\n`);
  return file;
};

const found = () => {
  const env = sandbox.env();
  const folders = { configDirs: [], pluginsDirs: [], tmpDirs: [], dataDirs: [], projects: [] };
  return jobThatAsked(sandbox.project, STARTED, {
    env,
    ...folders,
    stateDir: undefined,
    answers: () => true,
    startTokens: 'ticks',
  });
};

describe('the job that asked for a server', () => {
  test.each([
    ['in the foreground', 'Connecting to OpenCode server...'],
    ['in the background', 'Background worker connecting to OpenCode...'],
  ])('is found by its line %s', (_how, line) => {
    logged(20, line);
    expect(found()).toEqual({ name: 'task-1', afterMs: 20 });
  });

  test('is found in a log of any size, of which only the head is read', () => {
    const file = logged(20);
    // A hole that is larger than what a string can have.
    truncateSync(file, 2 ** 30);
    utimesSync(file, STARTED / 1000, STARTED / 1000);
    expect(found()).toEqual({ name: 'task-1', afterMs: 20 });
  });

  test('is the one that asked last', () => {
    logged(900, undefined, undefined, 'task-0');
    logged(20);
    logged(400, undefined, undefined, 'task-2');
    expect(found()).toEqual({ name: 'task-1', afterMs: 20 });
  });

  test('is found as far as the head of its log goes, and no further', () => {
    const line = readFileSync(logged(20), 'utf8').split('\n')[0] ?? '';
    for (const [bytes, name] of [
      [64 * 1024, 'task-1'],
      [64 * 1024 + 1, undefined],
    ] as const) {
      writeFileSync(join(folderOf(), 'task-1.log'), `${'x'.repeat(bytes - line.length - 2)}\n${line}\n`);
      expect(found()).toEqual(name === undefined ? 'none' : { name, afterMs: 20 });
    }
  });

  test('is found in a log that was last written when it asked, and called by what fits a line', () => {
    utimesSync(logged(4_500), STARTED / 1000 - 4.5, STARTED / 1000 - 4.5);
    expect(found()).toEqual({ name: 'task-1', afterMs: 4_500 });
    utimesSync(logged(4_500), STARTED / 1000 - 4.5005, STARTED / 1000 - 4.5005);
    expect(found()).toBe('none');
    logged(20, undefined, undefined, 'x'.repeat(100));
    expect(found()).toEqual({ name: 'x'.repeat(80), afterMs: 20 });
  });

  test.each<[string, () => unknown]>([
    ['there is no log', () => undefined],
    ['the line is later', () => logged(-21)],
    ['the line is much earlier', () => logged(2_000)],
    ['the line says something else', () => logged(20, 'Disconnecting...')],
    [
      'the line is not the first one that says so',
      () => {
        const later = readFileSync(logged(20), 'utf8');
        appendFileSync(logged(60_000), later);
      },
    ],
    ['the line only quotes it', () => logged(20, 'it said: Connecting to OpenCode server...')],
    ['it was in another folder', () => logged(20, undefined, sandbox.home)],
    ['the log was last written before', () => utimesSync(logged(20), STARTED / 1000 - 60, STARTED / 1000 - 60)],
    ['anybody can write the log', () => chmodSync(logged(20), 0o666)],
    ['anybody can write its folder', () => [logged(20), chmodSync(folderOf(), 0o777)]],
    ['a group can write the log', () => letOthersWrite(logged(20))],
    [
      'the line is not finished',
      () => writeFileSync(logged(20), readFileSync(logged(20), 'utf8').split('\n')[0] ?? ''),
    ],
    [
      'the line comes after all that a job may do before it asks',
      () => writeFileSync(logged(20), `${'a prompt\n'.repeat(8_000)}${readFileSync(logged(20), 'utf8')}`),
    ],
    ['its folder is a link', () => moved(folderOf())],
    ['the folder around it is a link', () => moved(join(baseOf(), hashOf(sandbox.project)))],
    ['it is no log', () => renameSync(logged(20), join(folderOf(), 'task-1.json'))],
  ])('is none where %s', (_what, make) => {
    make();
    expect(found()).toBe('none');
  });

  const moved = (folder: string): void => {
    logged(20);
    const aside = join(sandbox.root, 'aside');
    renameSync(folder, aside);
    symlinkSync(aside, folder);
  };

  test.each<[string, () => unknown]>([
    [
      'a log is a link',
      () => {
        const file = logged(20);
        renameSync(file, join(sandbox.root, 'log'));
        symlinkSync(join(sandbox.root, 'log'), file);
      },
    ],
    ['its folder leads to itself', () => symlinkSync('opencode-companion', baseOf())],
    ['a log is a folder', () => mkdirSync(join(folderOf(), 'task-1.log'), { recursive: true })],
  ])('cannot be told where %s', (_what, make) => {
    make();
    expect(found()).toBeUndefined();
  });
});

const needsRoot = process.getuid?.() === 0 ? '' : ' (skipped: only root can give a file away)';

test.skipIf(needsRoot)(`what is another user’s says nothing, whatever it is${needsRoot}`, () => {
  const file = logged(20);
  chownSync(file, 1, 1);
  expect(found()).toBe('none');
  rmSync(file);
  symlinkSync(join(sandbox.root, 'log'), file);
  lchownSync(file, 1, 1);
  expect(found()).toBe('none');
});

describe('the plugin of Claude Code in a folder', () => {
  const asking = { answers: () => true };
  const write = (text: string): string => {
    const root = join(sandbox.root, 'plugin');
    mkdirSync(join(root, '.claude-plugin'), { recursive: true });
    writeFileSync(join(root, '.claude-plugin/plugin.json'), text);
    return root;
  };

  test.each<[string, string, unknown]>([
    ['has a name and a version', '{"name":"opencode","version":"1.0.0"}', { name: 'opencode', version: '1.0.0' }],
    ['has no version', '{"name":"opencode","version":1}', { name: 'opencode', version: undefined }],
    ['has a very long name', `{"name":"${'x'.repeat(200)}"}`, { name: 'x'.repeat(80), version: undefined }],
    ['has no name', '{"version":"1.0.0"}', 'none'],
    ['is not JSON', '{"name":', undefined],
    ['is a list', '[]', undefined],
  ])('%s', (_what, text, expected) => expect(readPlugin(write(text), asking)).toEqual(expected));

  test('is none where there is no such file, and unknown where the disk does not answer', () => {
    expect(readPlugin(sandbox.project, asking)).toBe('none');
    expect(readPlugin(write('{"name":"opencode"}'), { answers: () => false })).toBeUndefined();
  });

  test('starts servers from its hook only if it has the file that does', () => {
    const root = write('{"name":"opencode"}');
    expect(readStarter(root, asking)).toBe('none');
    mkdirSync(join(root, 'scripts/lib'), { recursive: true });
    writeFileSync(join(root, 'scripts/lib/opencode-server.mjs'), '');
    expect(readStarter(root, asking)).toMatchObject({ name: 'opencode' });
  });
});
