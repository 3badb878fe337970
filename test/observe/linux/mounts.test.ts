import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { crossingOf, heldFor, mountsAt, mountsIn } from '../../../src/observe/linux/mounts.js';
import { createSandbox } from '../../support/sandbox.js';

/** As /proc/self/mountinfo has it, with and without its optional field. */
const line = (point: string, type: string): string => `36 35 98:0 / ${point} rw,noatime master:1 - ${type} x:/y rw\n`;
const LOCAL = `${line('/', 'ext4')}22 21 0:20 / /proc rw,relatime - proc proc rw\n`;

describe('what is mounted and may not answer', () => {
  test.each<[string, string, readonly string[]]>([
    ['nothing where the list is not there', '', []],
    ['nothing that the kernel answers for', LOCAL, []],
    ['what another machine serves', LOCAL + line('/far', 'nfs4'), ['/far']],
    ['what a program serves', LOCAL + line('/a', 'fuse.sshfs') + line('/b', 'fuse'), ['/a', '/b']],
    ['what begins as one that answers', line('/far', 'tmpfs2'), ['/far']],
    ['not the root, without which nothing runs', line('/', 'nfs') + line('/far', 'nfs'), ['/far']],
    ['not what something that answers lies over', line('/far', 'nfs') + line('/far', 'tmpfs'), []],
    ['what lies over something that answers', line('/far', 'tmpfs') + line('/far', 'nfs'), ['/far']],
    ['what has something that answers beside it', line('/far', 'nfs') + line('/near', 'tmpfs'), ['/far']],
    ['a name with blanks', line('/my\\040disk\\134x\\011', 'cifs'), ['/my disk\\x\t']],
  ])('is %s', (_sentence, mountinfo, expected) => {
    expect([...mountsIn(mountinfo)]).toEqual(expected);
  });

  test('is read where the kernel lists it, and is nothing where it does not', async () => {
    const { root, dispose } = await createSandbox('mounts');
    onTestFinished(dispose);
    writeFileSync(join(root, 'mountinfo'), LOCAL + line('/far', '9p'));
    expect([...mountsAt(join(root, 'mountinfo'))]).toEqual(['/far']);
    expect([...mountsAt(join(root, 'none'))]).toEqual([]);
  });
});

test('what was read holds for its time, and is then read anew', () => {
  let [now, reads] = [1_000, 0];
  const held = heldFor(
    200,
    () => ++reads,
    () => now,
  );
  const at = [1_000, 1_001, 1_200, 1_201, 1_401, 1_402].map((ms) => {
    now = ms;
    return held();
  });
  expect(at).toEqual([1, 1, 1, 2, 2, 3]);
});

describe('the way of a path', () => {
  let root: string;
  let far: string;
  beforeEach(async () => {
    const sandbox = await createSandbox('mounts');
    onTestFinished(sandbox.dispose);
    root = sandbox.root;
    far = join(root, 'far');
    mkdirSync(join(root, 'near/below'), { recursive: true });
    mkdirSync(far);
  });
  const link = (name: string, to: string): void => symlinkSync(to, join(root, name));
  const crossing = (path: string) => crossingOf(path, new Set([far]));

  test.each<[string, string, string]>([
    ['itself', 'far', ''],
    ['what is in it, which is not asked', 'far/shop/sub', '/shop/sub'],
    ['it, however it is typed', './/far/./shop//sub/', '/shop/sub'],
    ['it, past the folder above', 'near/below/../../far/shop', '/shop'],
    ['it by a link', 'link/shop', '/shop'],
    ['it by a link from a link', 'again', '/shop'],
    ['it by a link that is relative', 'near/up/x', '/x'],
    ['it by what is beside where a link leads', 'aside/../../far', ''],
  ])('leads onto %s', (_sentence, path, rest) => {
    link('link', far);
    link('again', join(root, 'link/shop'));
    link('near/up', '../far');
    link('aside', join(root, 'near/below'));
    expect(crossing(`${root}/${path}`)).toEqual({ mount: far, real: far + rest });
  });

  test.each(['near', 'near/below/../below', 'none', 'none/../far', 'nowhere', 'nowhere/../far', 'round', 'farther'])(
    'does not lead there by %s',
    (path) => {
      link('nowhere', join(root, 'none'));
      link('round', 'round');
      mkdirSync(join(root, 'farther'));
      expect(crossing(`${root}/${path}`)).toBeUndefined();
    },
  );

  test('begins in the current folder where it is relative', () => {
    // From a folder as deep as its own, a path up to the root and down again would say the same from the root.
    const current = vi.spyOn(process, 'cwd').mockReturnValue(root);
    onTestFinished(() => current.mockRestore());
    expect(crossing('far/shop')).toEqual({ mount: far, real: join(far, 'shop') });
  });

  test('has as many links as the kernel follows, and is none beyond', () => {
    link('1', far);
    for (let at = 2; at <= 41; at += 1) link(`${at}`, `${at - 1}`);
    expect(crossing(join(root, '40'))).toEqual({ mount: far, real: far });
    expect(crossing(join(root, '41'))).toBeUndefined();
  });

  test('leads nowhere where nothing is mounted', () => {
    expect(crossingOf(join(far, 'shop'), new Set())).toBeUndefined();
  });
});
