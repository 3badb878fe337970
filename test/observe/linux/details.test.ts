import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { linuxBirth, modeIn } from '../../../src/observe/linux/birth.js';
import { differ, linuxDetails } from '../../../src/observe/linux/details.js';
import { acceptingIn, linuxListens, waitsAt } from '../../../src/observe/linux/listens.js';
import { tableAt, untilShort } from '../../../src/observe/linux/read.js';
import { inodesIn } from '../../../src/observe/linux/sockets.js';
import { linuxUnit, unitFrom } from '../../../src/observe/linux/units.js';
import { children, processState } from '../../support/proc.js';
import { createSandbox } from '../../support/sandbox.js';
import { waitFor } from '../../support/wait.js';

/** Larger than any pid. */
const NONE = 2 ** 30;
const HERE = realpathSync(tmpdir());

const all = (pid: number) => {
  const pids = [pid];
  const wanted = { environment: pids, cwd: pids, listens: pids, unit: pids, birth: pids, input: pids };
  return linuxDetails(wanted).get(pid);
};

describe('the details of a process', () => {
  test('are its environment, its folder, its streams and what it is part of', async () => {
    const env = { OPENCODE_REAP_TAG: 'a tag' };
    const child = spawn('/bin/sleep', ['600'], { env, cwd: HERE, stdio: ['pipe', 'ignore', 'ignore'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const pid = child.pid ?? 0;
    await waitFor('it runs', () => linuxBirth(pid).argv?.[0] === '/bin/sleep');
    const details = all(pid);
    expect(details).toMatchObject({ environment: { tag: 'a tag' }, cwd: HERE, hidesCwd: false, isElsewhere: false });
    expect(details).toMatchObject({ listens: false, unit: expect.any(String), input: 'socket' });
    expect(details?.birth?.argv).toEqual(['/bin/sleep', '600']);
  });

  test('are none of one that has ended, which hides nothing', () => {
    expect(all(NONE)).toEqual({
      environment: undefined,
      hidesCwd: false,
      isElsewhere: true,
      listens: undefined,
      unit: undefined,
      birth: expect.anything(),
      input: undefined,
    });
  });

  test('are read of those alone that they are wanted of', () => {
    const { pid } = process;
    expect([...linuxDetails({})]).toEqual([]);
    expect([...linuxDetails({ elsewhere: [pid] })]).toEqual([[pid, { isElsewhere: false }]]);
  });

  test('are when it began, by the clock as it is now', () => {
    // Of this very process, which is old enough not to seem to have begun only now, however long the look takes.
    const now = Date.now();
    const { startedAt = Number.NaN } = linuxBirth(process.pid);
    expect(startedAt).toBeLessThan(now);
    expect(startedAt).toBeGreaterThan(now - 24 * 3_600_000);
  });
});

test.each<[boolean, string, readonly (string | undefined)[], readonly (string | undefined)[]]>([
  [false, 'the same', ['pid:[1]', 'time:[2]'], ['pid:[1]', 'time:[2]']],
  [true, 'other pids', ['pid:[9]', 'time:[2]'], ['pid:[1]', 'time:[2]']],
  [true, 'another clock', ['pid:[1]', 'time:[9]'], ['pid:[1]', 'time:[2]']],
  [true, 'some that are hidden', [undefined, undefined], ['pid:[1]', 'time:[2]']],
  [false, 'those of a kernel without time namespaces', ['pid:[1]', undefined], ['pid:[1]', undefined]],
])('it is %s that a process is elsewhere with %s', (is, _what, theirs, ours) => {
  expect(differ(theirs, ours)).toBe(is);
});

test.each([
  ['pos:\t0\nflags:\t0100000\nmnt_id:\t30\n', 'null, to read'],
  ['pos:\t0\nflags:\t0100001\nmnt_id:\t30\n', 'null, to write'],
  ['pos:\t0\nflags:\t02100002\nmnt_id:\t30\n', 'null, for both'],
  ['pos:\t0\nflags:\t03\n', undefined],
  ['pos:\t0\nmnt_id:\t30\n', undefined],
  ['', undefined],
])('a stream to nowhere that shows %j is open %s', (fdinfo, mode) => {
  expect(modeIn(fdinfo)).toBe(mode);
});

describe('whether a process waits for others', () => {
  const row = (inode: number, state: string): string =>
    `   4: 0100007F:C065 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0\n`;
  const header = '  sl  local_address …\n';
  const tables: Readonly<Record<string, string>> = {
    tcp: header + row(1, '0A') + row(2, '01'),
    tcp6: header + row(3, '0A'),
    udp: header + row(4, '07') + row(5, '01'),
    udp6: header + row(6, '07'),
    unix: 'Num       RefCount Protocol Flags    Type St Inode Path\n0: 00000002 00000000 00010000 0001 01 7 /run/a\n',
  };
  const without = (...names: readonly string[]) => {
    return (table: string) => (names.includes(table) ? undefined : tables[table]);
  };

  test.each([
    [1, true, 'listens on TCP'],
    [2, false, 'is connected'],
    [3, true, 'listens on IPv6'],
    [4, true, 'takes datagrams'],
    [5, false, 'sends datagrams to one other'],
    [6, true, 'takes datagrams of IPv6'],
    [7, true, 'listens at a path'],
    [8, false, 'is in no table'],
  ])('by the socket %i it is %s: one that %s', (inode, waits) => {
    expect(waitsAt(['9', `${inode}`], without())).toBe(waits);
  });

  test('is not known where a table cannot be read; those of IPv6 may be empty', () => {
    for (const name of Object.keys(tables)) expect([name, waitsAt(['9'], without(name))]).toEqual([name, undefined]);
    const onIPv4 = (table: string) => (table.endsWith('6') ? '' : tables[table]);
    expect(waitsAt(['1'], onIPv4)).toBe(true);
    expect(waitsAt(['4'], onIPv4)).toBe(true);
    expect(waitsAt(['9'], onIPv4)).toBe(false);
  });

  test('takes no table where it has no sockets', () => {
    expect(waitsAt([], () => undefined)).toBe(false);
  });

  test('is told by one flag of a Unix socket among others', () => {
    const flags = ['00010000', '00110000', '00000000', '00000001', '00020000'];
    const unix = flags.map((flag, at) => `0: 00000002 00000000 ${flag} 0001 01 ${at} /run/a\n`).join('');
    expect(acceptingIn(`Num\n${unix}`)).toEqual(['0', '1']);
  });

  test('is not known of one that has ended and is not waited for', async () => {
    const child = spawn('sh', ['-c', 'sleep 0.2 & exec sleep 600'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const below = await waitFor('it has a child', () => children(child.pid ?? 0)[0]);
    await waitFor('the child ended', () => processState(below) === 'Z');
    expect(linuxListens(below)).toBeUndefined();
  });
});

describe('the sockets among the descriptors of a process', () => {
  const listed = async (links: Readonly<Record<string, string>>): Promise<string> => {
    const { root, dispose } = await createSandbox('descriptors');
    onTestFinished(dispose);
    const folder = join(root, 'fd');
    mkdirSync(folder);
    for (const [fd, target] of Object.entries(links)) symlinkSync(target, join(folder, fd));
    return folder;
  };

  test('are those that are called so', async () => {
    const links = {
      0: '/dev/null',
      3: 'socket:[7]',
      4: 'pipe:[8]',
      5: '/x/socket:[9]',
      6: 'socket:[11]',
      7: 'socket:[]',
    };
    expect(inodesIn(await listed(links))).toEqual(['7', '11']);
    expect(inodesIn(await listed({}))).toEqual([]);
    expect(inodesIn('/none')).toBeUndefined();
  });

  test('are not known if one of them may not be read', async () => {
    const folder = await listed({ 3: 'socket:[7]' });
    // What is no link stands in for one that a policy forbids to read: either is an error, but not that of a closed one.
    writeFileSync(join(folder, '4'), '');
    expect(inodesIn(folder)).toBeUndefined();
  });

  test('are no worse known for a file whose path is longer than the kernel tells', async () => {
    const { root } = await createSandbox('deep');
    // Node removes nothing by a path of that length.
    onTestFinished(() => void spawnSync('rm', ['-rf', root]));
    const code = `const fs = require('fs');
      for (let at = 0; at < 20; at += 1) { fs.mkdirSync('d'.repeat(250)); process.chdir('d'.repeat(250)); }
      fs.openSync('file', 'w');
      require('net').createServer().listen(0, '127.0.0.1', () => process.stdout.write('open'));`;
    const child = spawn(process.execPath, ['-e', code], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    expect(inodesIn(`/proc/${child.pid}/fd`)).toContainEqual(expect.stringMatching(/^\d+$/));
  });

  test('are no worse known for one that is closed meanwhile', () => {
    // The list itself is one of the descriptors, and is closed before they are read.
    const open = openSync('/dev/null', 'r');
    onTestFinished(() => closeSync(open));
    expect(inodesIn('/proc/self/fd')).toEqual(expect.any(Array));
  });
});

describe('a table of the kernel’s', () => {
  test('is read until a part of it is so short that another row had had room', () => {
    const part = (length: number): string => 'x'.repeat(length);
    const parts = [part(4_096), part(3_585), `${part(3_583)}y`, part(1)];
    const whole = parts.slice(0, 3).join('');
    expect(untilShort(() => parts.shift() ?? '')).toBe(whole);
    expect(parts).toEqual([part(1)]);
  });

  test('is read as it is', async () => {
    const { root, dispose } = await createSandbox('table');
    onTestFinished(dispose);
    const text = Array.from({ length: 20_000 }, (_, at) => `${at}\n`).join('');
    writeFileSync(join(root, 'table'), text);
    expect(tableAt(join(root, 'table'))).toBe(text);
    expect(tableAt(join(root, 'none'))).toBeUndefined();
  });
});

test.each([
  ['0::/system.slice/opencode-web.service\n', 'opencode-web.service'],
  [
    '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope\n',
    'vte-spawn-1.scope',
  ],
  ['0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/payload\n', 'web.service'],
  ['9:name=systemd:/system.slice/web.service\n4:memory:/other.service\n0::/\n', 'web.service'],
  ['4:memory:/other.service\n0::/\n', ''],
  ['0::/docker/1234\n', ''],
  [`0::/${'x'.repeat(247)}.service\n`, `${'x'.repeat(247)}.service`],
  [`0::/a.service/${'x'.repeat(248)}.service\n`, 'a.service'],
  ['', ''],
])('the unit in %j is %j', (text, unit) => {
  expect(unitFrom(text)).toBe(unit);
});

test('the unit of this process is in its list, and one that has ended has none to read', () => {
  expect(linuxUnit(process.pid)).toBe(unitFrom(readFileSync('/proc/self/cgroup', 'utf8')));
  expect(linuxUnit(NONE)).toBeUndefined();
});
