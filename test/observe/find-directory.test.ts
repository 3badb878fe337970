import fs, { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path, { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Found, findPlace, findWithoutWaiting, type Ground } from '../../src/observe/find-directory.js';
import { workspaceAtOnce } from '../../src/observe/workspace-at-once.js';

/* Where directories lead, and which git directory they share: by folders as git makes them, without git. */

let root: string;
/** Where a mount is made up, or where every question fails. */
let far: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'opencode-reap-directory-')));
  far = join(root, 'far');
  for (const folder of ['repo/.git/worktrees/wt', 'repo/src/deep', 'repo/.git/modules/sub', 'wt/in', 'sub', 'far/shop'])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'repo/file'), '');
  writeFileSync(join(root, 'wt/.git'), `gitdir: ${join(root, 'repo/.git/worktrees/wt')}\n`);
  writeFileSync(join(root, 'repo/.git/worktrees/wt/commondir'), '../..\n');
  writeFileSync(join(root, 'repo/.git/worktrees/wt/gitdir'), `${join(root, 'wt/.git')}\n`);
  writeFileSync(join(root, 'sub/.git'), 'gitdir: ../repo/.git/modules/sub\n');
  symlinkSync(join(root, 'repo'), join(root, 'link'));
  symlinkSync(far, join(root, 'to-far'));
});
afterEach(() => rmSync(root, { recursive: true }));

const find = (directory: string, but: Partial<Ground> = {}): Found =>
  findPlace(directory, { fs, path, crossing: undefined, ...but });

/** A mount at `far` that may not answer, and no other. */
const crossing: Ground['crossing'] = (at) => {
  const real = at.replace(join(root, 'to-far'), far);
  return real === far || real.startsWith(`${far}/`) ? { mount: far, real } : undefined;
};

/** A file system on which each such question has an answer of its own, noted in `asked`. */
function asking(fails: (at: string) => unknown, asked: string[] = []): Ground['fs'] {
  const first = <A extends readonly unknown[], R>(does: (at: string, ...rest: A) => R) =>
    ((at: string, ...rest: A) => {
      asked.push(at);
      const error = fails(at);
      if (error !== undefined) throw error;
      return does(at, ...rest);
    }) as never;
  return {
    ...fs,
    realpathSync: Object.assign(first(fs.realpathSync), { native: first(fs.realpathSync.native) }) as never,
    statSync: first(fs.statSync as never),
    openSync: first(fs.openSync),
    readdirSync: first(fs.readdirSync as never),
  };
}
const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe('a directory', () => {
  test.each<[string, string, Partial<Found>]>([
    ['is its repository', 'repo', { real: 'repo', top: 'repo', gitCommon: 'repo/.git' }],
    ['in a repository', 'repo/src/deep', { real: 'repo/src/deep', top: 'repo', gitCommon: 'repo/.git' }],
    ['through a link', 'link/src', { real: 'repo/src', top: 'repo', gitCommon: 'repo/.git' }],
    ['in a worktree shares the git directory', 'wt/in', { real: 'wt/in', top: 'wt', gitCommon: 'repo/.git' }],
    ['in a submodule has its own', 'sub', { real: 'sub', top: 'sub', gitCommon: 'repo/.git/modules/sub' }],
    ['in no repository', 'far/shop', { real: 'far/shop', top: undefined, gitCommon: undefined }],
    ['that is gone', 'repo/gone/a', { real: 'repo/gone/a', top: 'repo', gitCommon: 'repo/.git', isDirectory: false }],
    ['that is a file', 'repo/file', { real: 'repo/file', top: 'repo', gitCommon: 'repo/.git', isDirectory: false }],
  ])('%s', (_what, name, expected) => {
    const within = (one: string | undefined) => (one === undefined ? undefined : join(root, one));
    const { isDirectory = true, real, top, gitCommon } = expected;
    expect(find(join(root, name))).toEqual({
      path: join(root, name),
      real: within(real),
      top: within(top),
      gitCommon: within(gitCommon),
      isDirectory,
      silent: [],
    });
  });

  test('that is no path at all stays what it is', () => {
    const name = join(root, 'a\0b');
    expect(find(name)).toMatchObject({ path: name, real: name, isDirectory: false, silent: [] });
  });

  test('that is written from a folder that is gone stays as it was written', () => {
    const resolve = (): string => {
      throw failure('ENOENT');
    };
    const nowhere = asking(() => failure('ENOENT'));
    expect(find('here', { fs: nowhere, path: { ...path, resolve } })).toMatchObject({ real: 'here', silent: [] });
  });

  test('is asked about with no mistake of ours taken for an answer', () => {
    const mistake = new TypeError('ours');
    expect(() => find(root, { fs: asking(() => mistake) })).toThrow(mistake);
    for (const other of [undefined, null, 'text', { code: 5 }]) {
      const thrown = (): never => {
        throw other;
      };
      const realpath = Object.assign(thrown, { native: thrown }) as never;
      expect(() => find(root, { fs: { ...fs, realpathSync: realpath } })).toThrow();
    }
  });
});

describe('a `.git`', () => {
  const commonOf = (text: string): string | undefined => {
    writeFileSync(join(root, 'wt/.git'), text);
    return find(join(root, 'wt')).gitCommon;
  };
  const line = (): string => `gitdir: ${join(root, 'repo/.git/worktrees/wt')}`;

  test.each<[string, () => string]>([
    ['says nothing', () => ''],
    ['says something else', () => 'ref: refs/heads/main\n'],
    ['names a folder that is not there', () => 'gitdir: /not/there\n'],
    ['is longer than any', () => line().padEnd(4_097)],
  ])('that %s leads nowhere', (_what, text) => {
    expect([commonOf(text()), find(join(root, 'wt')).top]).toEqual([undefined, join(root, 'wt')]);
  });

  test('is read to its end', () => {
    expect(commonOf(line())).toBe(join(root, 'repo/.git'));
    expect(commonOf(line().padEnd(4_096))).toBe(join(root, 'repo/.git'));
  });

  test('is the git directory itself where a worktree’s folder names no other', () => {
    rmSync(join(root, 'repo/.git/worktrees/wt/commondir'));
    expect(find(join(root, 'wt')).gitCommon).toBe(join(root, 'repo/.git/worktrees/wt'));
  });

  test('is opened so that a pipe keeps nobody waiting, where the system knows such', () => {
    const flags: unknown[] = [];
    const openSync = ((at: string, how: number) => {
      flags.push(how);
      return fs.openSync(at, 'r');
    }) as never;
    find(join(root, 'wt'), { fs: { ...fs, openSync } });
    find(join(root, 'wt'), { fs: { ...fs, openSync, constants: { O_RDONLY: 0 } as never } });
    const { O_RDONLY, O_NONBLOCK } = fs.constants;
    expect(new Set(flags)).toEqual(new Set([O_RDONLY | O_NONBLOCK, 0]));
  });

  test('that is a folder is not read as a file', () => {
    rmSync(join(root, 'repo/.git/worktrees/wt/commondir'));
    mkdirSync(join(root, 'repo/.git/worktrees/wt/commondir'));
    expect(find(join(root, 'wt')).gitCommon).toBe(join(root, 'repo/.git/worktrees/wt'));
  });
});

describe('a stand-in for a file system that fails', () => {
  const failing = (code: string) => asking((at) => (at.startsWith(far) ? failure(code) : undefined));

  test('is named by the first step that cannot be taken', () => {
    expect(find(join(far, 'shop'), { fs: failing('EIO') })).toEqual({
      path: join(far, 'shop'),
      real: join(far, 'shop'),
      top: undefined,
      gitCommon: undefined,
      isDirectory: false,
      silent: [far],
    });
    expect(
      find(join(root, 'to-far/shop'), { fs: asking((at) => (/far/.test(at) ? failure('EIO') : undefined)) }).silent,
    ).toEqual([join(root, 'to-far')]);
  });

  test('may be the whole of it', () => {
    expect(find(root, { fs: asking(() => failure('EIO')) }).silent).toEqual(['/']);
  });

  test.each(['ENOENT', 'EACCES', 'ELOOP'])('with %s has answered', (code) => {
    expect(find(join(far, 'shop'), { fs: failing(code) })).toMatchObject({ silent: [], isDirectory: false });
  });

  test('is no answer about what is above it', () => {
    mkdirSync(join(root, '.git'));
    expect(find(join(far, 'shop'), { fs: failing('EIO') })).toMatchObject({ top: undefined, gitCommon: undefined });
    expect(find(join(far, 'shop'))).toMatchObject({ top: root, gitCommon: join(root, '.git') });
  });

  test('is only what failed', () => {
    const fails = asking((at) => (basename(at) === 'commondir' ? failure('EIO') : undefined));
    expect(find(join(root, 'wt'), { fs: fails })).toMatchObject({
      top: join(root, 'wt'),
      silent: [join(root, 'repo/.git/worktrees/wt/commondir')],
    });
  });
});

describe('a stand-in for a mount that may not answer', () => {
  test('is named, and not asked, and where it leads is as far as it was followed', () => {
    const asked: string[] = [];
    const found = find(join(root, 'to-far/shop'), { fs: asking(() => undefined, asked), crossing });
    expect(found).toEqual({
      path: join(root, 'to-far/shop'),
      real: join(far, 'shop'),
      top: undefined,
      gitCommon: undefined,
      isDirectory: false,
      silent: [far],
    });
    expect(asked).toEqual([]);
  });

  test('is no answer about what is above it', () => {
    mkdirSync(join(root, '.git'));
    expect(find(join(far, 'shop'), { crossing })).toMatchObject({ top: undefined, gitCommon: undefined });
  });

  test('leaves everything beside it as it is', () => {
    expect(find(join(root, 'wt/in'), { crossing })).toEqual(find(join(root, 'wt/in')));
    expect(find(root, { crossing })).toEqual(find(root));
    expect(find(join(root, 'sub'), { crossing })).toEqual(find(join(root, 'sub')));
  });

  test('may hold a worktree of a repository that is elsewhere', () => {
    const listed = join(root, 'repo/.git/worktrees/wt/gitdir');
    writeFileSync(listed, `${join(far, 'shop/.git')}\n`);
    expect(find(join(root, 'repo/src'), { crossing })).toMatchObject({ top: join(root, 'repo'), silent: [far] });
    writeFileSync(listed, '../../../../far/shop/.git\n');
    expect(find(join(root, 'repo/src'), { crossing })).toMatchObject({ silent: [far] });
    // As long as all of them answer, nobody needs to know.
    const asked: string[] = [];
    find(join(root, 'repo/src'), { fs: asking(() => undefined, asked) });
    expect(asked.filter((at) => at.includes('worktrees'))).toEqual([]);
  });

  test('has at most a thousand worktrees looked at', () => {
    const asked: string[] = [];
    const names = Array.from({ length: 1_001 }, (_, at) => `w${at}`);
    const ground = { ...asking(() => undefined, asked), readdirSync: (() => names) as never };
    find(join(root, 'repo'), { fs: ground, crossing });
    const listed = asked.filter((at) => dirname(dirname(at)) === join(root, 'repo/.git/worktrees')).map(dirname);
    expect([listed.length, basename(listed[0] ?? ''), basename(listed[999] ?? '')]).toEqual([1_000, 'w0', 'w999']);
  });

  test('is known by the list of mounts', () => {
    expect(findWithoutWaiting(join(root, 'to-far/shop'), new Set([far]))).toMatchObject({
      silent: [far],
      real: join(far, 'shop'),
    });
    expect(findWithoutWaiting(join(root, 'to-far/shop'), new Set())).toEqual(find(join(root, 'to-far/shop')));
    expect(findWithoutWaiting(join(root, 'to-far/shop'))).toEqual(find(join(root, 'to-far/shop')));
  });
});

describe('what a hook takes for the workspace', () => {
  test.each([
    ['in a repository', 'repo/src/deep', 'repo'],
    ['through a link', 'link/src', 'repo'],
    ['in a worktree', 'wt/in', 'wt'],
    ['in no repository', 'far/shop', 'far/shop'],
    ['that is gone', 'repo/gone', 'repo/gone'],
  ])('is its git top level, or the directory itself: %s', (_what, name, expected) => {
    expect(workspaceAtOnce(join(root, name))).toBe(join(root, expected));
  });

  test('is where a link called `.git` is, wherever that leads', () => {
    symlinkSync('/not/there', join(far, '.git'));
    expect(workspaceAtOnce(join(far, 'shop'))).toBe(far);
  });
});
