import childProcess from 'node:child_process';
import fs, { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path, { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { askDisk } from '../../src/observe/ask-disk.js';
import { answers, findPlaces, isDirectory, placeAt, workspaceOf } from '../../src/observe/directories.js';
import { type Found, findPlace } from '../../src/observe/find-directory.js';
import { hashedPlaceOf, hashedPlacesOf } from '../../src/observe/hashed-directory.js';
import { workspaceAtOnce } from '../../src/observe/workspace-at-once.js';
import { standInForMounts } from '../support/mounts.js';
import { waitFor } from '../support/wait.js';

/*
 * What is asked of a file system that may not answer, and what is remembered of it: with a list of mounts, a clock and a
 * process that asks which all stand in for real ones. What a mount that does not answer keeps waiting is in
 * dead-mount.test.ts.
 */

let root: string;
let far: string;
let further: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'opencode-reap-directories-')));
  far = join(root, 'far');
  further = join(root, 'further');
  for (const folder of ['far/shop/.git', 'far/other', 'further/shop', 'repo/.git/worktrees', 'repo/src', 'plain'])
    mkdirSync(join(root, folder), { recursive: true });
  symlinkSync(join(root, 'plain'), join(root, 'link'));
});
afterEach(() => rmSync(root, { recursive: true }));

const asIs = (at: string): Found => findPlace(at, { fs, path, crossing: undefined });

interface Asked {
  /** What each process was to find, by group. */
  readonly groups: string[][][];
  readonly options: unknown[];
}

/** Stands in for the processes that ask a disk; undefined is no answer in time. */
function standInForAsking(answer: (at: string) => Found | undefined, fails = false): Asked {
  const { spawnSync } = childProcess;
  const asked: Asked = { groups: [], options: [] };
  const spawn = (_file: string, args: readonly string[], options: unknown) => {
    const groups: string[][] = args.slice(4).map((one) => JSON.parse(one));
    asked.groups.push(groups);
    asked.options.push(options);
    const lines = groups.flat().flatMap((at) => answer(at) ?? []);
    return { stdout: fails ? null : lines.map((one) => `${JSON.stringify(one)}\n`).join('') };
  };
  Object.assign(childProcess, { spawnSync: spawn });
  syncBuiltinESMExports();
  onTestFinished(() => {
    Object.assign(childProcess, { spawnSync });
    syncBuiltinESMExports();
  });
  return asked;
}

const shop = (): string => join(far, 'shop');
const other = (): string => join(far, 'other');

describe('places, behind stand-ins for mounts,', () => {
  test('are asked directly where every file system answers', () => {
    standInForMounts();
    const asked = standInForAsking(asIs);
    expect(findPlaces([shop(), join(root, 'gone')])).toEqual([asIs(shop()), asIs(join(root, 'gone'))]);
    expect(asked.groups).toEqual([]);
  });

  test('are asked by a process where one may not, those behind the same mount together', () => {
    standInForMounts(far, further);
    const asked = standInForAsking(asIs);
    const all = [shop(), join(root, 'repo'), join(further, 'shop'), other()];
    expect(findPlaces(all)).toEqual(all.map(asIs));
    expect(asked.groups).toEqual([[[shop(), other()], [join(further, 'shop')]]]);
  });

  test('are what was found for five seconds', () => {
    const mounts = standInForMounts(far);
    const asked = standInForAsking(asIs);
    const found = findPlaces([shop()]);
    rmSync(shop(), { recursive: true });
    mounts.pass(4);
    expect([findPlaces([shop()]), asked.groups.length]).toEqual([found, 1]);
    mounts.pass(1);
    expect([findPlaces([shop()])[0]?.isDirectory, asked.groups.length]).toEqual([false, 2]);
  });

  test('are looked at as they are once nothing is mounted there', () => {
    const mounts = standInForMounts(far);
    standInForAsking(asIs);
    findPlaces([shop()]);
    rmSync(shop(), { recursive: true });
    mounts.are([]);
    expect(findPlaces([shop()])).toEqual([asIs(shop())]);
  });

  test('are not known where nothing answers, and nobody waits for that mount again for a minute', () => {
    const mounts = standInForMounts(far, further);
    const asked = standInForAsking((at) => (at.startsWith(`${far}/`) ? undefined : asIs(at)));
    const silent = { path: shop(), real: shop(), isDirectory: false, top: undefined, silent: [far] };
    expect(findPlaces([shop(), join(further, 'shop')])).toMatchObject([silent, { isDirectory: true, silent: [] }]);
    mounts.pass(59);
    expect(findPlaces([shop(), other()])).toMatchObject([silent, { silent: [far] }]);
    expect(asked.groups).toHaveLength(1);
    mounts.pass(1);
    findPlaces([other()]);
    expect(asked.groups).toHaveLength(2);
  });

  test('are not asked about where one of the mounts on their way is known to be silent', () => {
    standInForMounts(far, further);
    const asked = standInForAsking(() => undefined);
    for (const [name, at] of [
      ['one', shop()],
      ['two', join(further, 'shop')],
    ] as const) {
      mkdirSync(join(root, 'repo/.git/worktrees', name));
      writeFileSync(join(root, 'repo/.git/worktrees', name, 'gitdir'), `${at}/.git\n`);
    }
    findPlaces([shop()]);
    expect(findPlaces([join(root, 'repo')])[0]?.silent).toEqual([far, further]);
    expect(asked.groups).toEqual([[[shop()]]]);
  });
});

describe('a path behind a stand-in for a mount', () => {
  test('has answered where its file system has just done so', () => {
    const mounts = standInForMounts(far);
    const asked = standInForAsking(asIs);
    expect([answers(join(root, 'repo')), asked.groups.length]).toEqual([true, 0]);
    expect([answers(shop()), asked.groups.length]).toEqual([true, 1]);
    expect([answers(other()), asked.groups.length]).toEqual([true, 1]);
    mounts.pass(5);
    expect([answers(other()), asked.groups.length]).toEqual([true, 2]);
  });

  test('has not answered where that was silent, or broken further on', () => {
    standInForMounts(far, further);
    const asked = standInForAsking((at) =>
      at.startsWith(further) ? undefined : { ...asIs(at), silent: at === shop() ? [at] : [] },
    );
    expect([answers(shop()), answers(other()), asked.groups.length]).toEqual([false, true, 2]);
    expect(answers(join(further, 'shop'))).toBe(false);
  });
});

test('a workspace is the git top level, else where the directory leads, else the directory as typed', () => {
  standInForMounts(far, further);
  standInForAsking((at) => (at.startsWith(far) ? asIs(at) : undefined));
  expect(workspaceOf(join(root, 'repo/src'))).toBe(join(root, 'repo'));
  expect(workspaceOf(join(root, 'link'))).toBe(join(root, 'plain'));
  expect(workspaceOf(join(shop(), '.git'))).toBe(shop());
  symlinkSync(join(further, 'shop'), join(root, 'to-further'));
  expect(workspaceOf(join(root, 'to-further'))).toBe(join(root, 'to-further'));
  expect([isDirectory(shop()), isDirectory(join(further, 'shop')), isDirectory(root)]).toEqual([true, false, true]);
  expect(placeAt(shop())).toEqual(asIs(shop()));
});

test('a hook asks no file system that may not answer: a directory there is as typed, and so is a `.git`', () => {
  standInForMounts(far, join(root, 'plain/.git'));
  symlinkSync(shop(), join(root, 'to-shop'));
  expect(workspaceAtOnce(join(root, 'to-shop'))).toBe(join(root, 'to-shop'));
  mkdirSync(join(root, 'plain/.git'));
  mkdirSync(join(root, 'plain/in'));
  mkdirSync(join(root, '.git'));
  expect(workspaceAtOnce(join(root, 'plain/in'))).toBe(root);
});

describe('the process that asks a disk, by a stand-in,', () => {
  test('is given each group, and answers by path', () => {
    const asked = standInForAsking((at) => (at === other() ? undefined : asIs(at)));
    const found = askDisk([[shop(), other()], [root]]);
    expect([...found]).toEqual([
      [shop(), asIs(shop())],
      [root, asIs(root)],
    ]);
    expect(asked.groups).toEqual([[[shop(), other()], [root]]]);
    expect(asked.options).toMatchObject([
      { cwd: '/', env: {}, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'ignore'] },
    ]);
  });

  test('has found nothing where it cannot be started', () => {
    standInForAsking(asIs, true);
    expect(askDisk([[shop()]]).size).toBe(0);
  });
});

/** `npm run mutate` changes the text of what such a process runs. */
const changed = process.env.MUTATED ? ' (skipped: its text is changed)' : '';
test.skipIf(changed)(`a process that really asks a disk finds what is found here${changed}`, async () => {
  writeFileSync(join(root, 'plain/.git'), `gitdir: ${join(root, 'repo/.git')}\n`);
  const groups = [[shop(), join(root, 'link'), join(root, 'gone')], [join(root, 'repo/src')]];
  // A machine that is too busy to begin it in time has no answer either.
  const found = await waitFor('all of them have answered', () => {
    const all = askDisk(groups);
    return all.size === 4 ? all : undefined;
  });
  for (const at of groups.flat()) expect(found.get(at)).toEqual(asIs(at));
});

describe('a place with its hashes', () => {
  const SHA256_OF_ROOT = '8a5edab282632443219e051e4ade2d1d5bbc671c781051bf1437897cbdfea0f1';

  test('has those of its path as typed and as resolved', () => {
    standInForMounts();
    const { hashes, ...place } = hashedPlaceOf(join(root, 'link'));
    const { path: typed, real, gitCommon, silent } = asIs(join(root, 'link'));
    expect(place).toEqual({ path: typed, real, gitCommon, silent });
    expect(hashes).toHaveLength(2);
    expect(hashedPlaceOf(join(root, 'plain')).hashes).toEqual([hashes[1]]);
    expect(hashedPlaceOf('/').hashes).toEqual([SHA256_OF_ROOT]);
  });

  test('is found once for each path', () => {
    standInForMounts();
    const found = hashedPlacesOf([root, join(root, 'repo/src'), root]);
    expect([...found].map(([at, { path: typed, gitCommon }]) => [at, typed, gitCommon])).toEqual([
      [root, root, undefined],
      [join(root, 'repo/src'), join(root, 'repo/src'), join(root, 'repo/.git')],
    ]);
  });
});
