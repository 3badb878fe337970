import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

// Who else could have written a file: by real files, owners and modes, with the program's own judgement of them.

const SCRIPT = fileURLToPath(new URL('../support/trust-of.mjs', import.meta.url));
const US = process.getuid?.() ?? 0;
const GROUP = process.getgid?.() ?? 0;
const NOBODY = 65_534;
/** As in a container that is run as any number. */

let root: string;
let folder: string;
let file: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'opencode-reap-trust-'));
  folder = join(root, 'folder');
  file = join(folder, 'file');
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(file, '', { mode: 0o600 });
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const trust = (as: { readonly uid?: number; readonly gid?: number } = {}): string =>
  execFileSync(process.execPath, [SCRIPT, file], { encoding: 'utf8', env: {}, ...as });

describe('a file is trusted', () => {
  test('where it and its folder are ours alone', () => expect(trust()).toBe('trusted'));

  test('in a folder like /tmp, where others cannot replace it', () => {
    chmodSync(folder, 0o1777);
    expect(trust()).toBe('trusted');
  });
});

describe('a file is not trusted', () => {
  test.each([0o602, 0o622, 0o666])('that anyone can write (%o)', (mode) => {
    chmodSync(file, mode);
    expect(trust()).toBe('anyone can write to the file');
  });

  test.each([0o702, 0o777])('in a folder that anyone can write, and where nothing is kept (%o)', (mode) => {
    chmodSync(folder, mode);
    expect(trust()).toBe('anyone can write to its folder');
  });

  test('in a folder like /tmp, when it has another name there, which may be from elsewhere', () => {
    chmodSync(folder, 0o1777);
    linkSync(file, join(root, 'other'));
    expect(trust()).toBe('anyone can write to its folder');
  });
});

const skipped = US === 0 ? '' : ' (skipped: only root can give files away, and run as somebody else)';

describe.skipIf(skipped)(`what only root can set up${skipped}`, () => {
  test('another user’s file is not trusted', () => {
    chownSync(file, NOBODY, GROUP);
    expect(trust()).toBe(`the file belongs to user ${NOBODY}`);
  });

  test('a folder like /tmp is another user’s: its owner may replace what is in it', () => {
    chmodSync(folder, 0o1777);
    chownSync(folder, NOBODY, GROUP);
    expect(trust()).toBe(`its folder belongs to user ${NOBODY}`);
  });

  test('a folder like /tmp is root’s, and the file ours: it is trusted', () => {
    chmodSync(root, 0o755);
    chmodSync(folder, 0o1777);
    chownSync(file, NOBODY, NOBODY);
    expect(trust({ uid: NOBODY, gid: NOBODY })).toBe('trusted');
  });

  test('a group that is not ours may write it, though its only member is this user', () => {
    chownSync(file, US, GROUP);
    chmodSync(file, 0o660);
    chmodSync(folder, 0o755);
    expect(trust({ uid: US, gid: NOBODY })).toBe(`group ${GROUP} can write to the file`);
  });

  /** Runs it where these lists of users and groups stand in for the machine's own. */
  const trustWhere = (passwd: string, group: string): string => {
    writeFileSync(join(root, 'passwd'), passwd);
    writeFileSync(join(root, 'group'), group);
    const script =
      'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@" 2>/dev/null';
    const args = ['-m', '--propagation', 'private', 'sh', '-c', script, root, process.execPath, SCRIPT, file];
    return execFileSync('unshare', args, { encoding: 'utf8' });
  };

  test.each([
    ['has no other member', 'root:x:0:0::/root:/bin/sh\n', 'root:x:0:\n', 'trusted'],
    ['has another member', 'root:x:0:0::/root:/bin/sh\n', 'root:x:0:alice\n', 'group 0 can write to the file'],
    [
      'is another user’s own, too',
      'root:x:0:0::/root:/bin/sh\nbob:x:9:0::/:/bin/sh\n',
      'root:x:0:\n',
      'group 0 can write to the file',
    ],
    [
      'has members that no list here has',
      'alice:x:7:7::/:/bin/sh\nroot:x:0:5::/root:/bin/sh\n',
      'root:x:0:\n',
      'group 0 can write to the file',
    ],
  ])('our group may write it, and %s', (_, passwd, group, expected) => {
    chownSync(file, US, GROUP);
    chmodSync(file, 0o660);
    expect(trustWhere(passwd, group)).toBe(expected);
  });

  /** The same as a user of whom no list says anything. */
  const trustOfUnknown = (passwd: string, group: string, nsswitch: string, gid = 4242): string => {
    for (const one of [root, folder]) chmodSync(one, 0o755);
    for (const one of [folder, file]) chownSync(one, 4242, gid);
    chmodSync(file, 0o660);
    for (const [name, text] of Object.entries({ passwd, group, nsswitch })) writeFileSync(join(root, name), text);
    const script =
      'for name in passwd group; do mount --bind "$0/$name" /etc/$name || exit; done; ' +
      'touch /etc/nsswitch.conf; mount --bind "$0/nsswitch" /etc/nsswitch.conf && exec "$@" 2>&1';
    const as = ['setpriv', '--reuid', '4242', '--regid', `${gid}`, '--clear-groups', process.execPath, SCRIPT, file];
    const args = ['-m', '--propagation', 'private', 'sh', '-c', script, root, ...as];
    return execFileSync('unshare', args, { encoding: 'utf8' });
  };
  const ROOT = 'root:x:0:0::/root:/bin/sh\n';
  const FILES = 'passwd: files systemd\ngroup: files [SUCCESS=merge] systemd # local\n';

  test.each<[string, string, string, string, number, string]>([
    ['has nobody', ROOT, 'root:x:0:\n', FILES, 4242, 'trusted'],
    ['is root’s, as in OpenShift', ROOT, 'root:x:0:root\n', FILES, 0, 'trusted'],
    ['has a member', ROOT, 'shared:x:4242:bob\n', FILES, 4242, 'group 4242 can write to the file'],
    ['is somebody’s own', `${ROOT}bob:x:9:4242::/:/bin/sh\n`, '', FILES, 4242, 'group 4242 can write to the file'],
    ['is root’s and somebody’s', `${ROOT}sync:x:5:0::/:/bin/sh\n`, '', FILES, 0, 'group 0 can write to the file'],
    ['may have members elsewhere', ROOT, '', 'passwd: files sss\n', 4242, 'group 4242 can write to the file'],
    ['may have them there', ROOT, '', 'passwd: files\ngroup: files ldap\n', 4242, 'group 4242 can write to the file'],
  ])('the group of a user whom nobody knows may write it, and %s', (_, passwd, group, nsswitch, gid, expected) => {
    expect(trustOfUnknown(passwd, group, nsswitch, gid)).toBe(expected);
  });
});
