import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { bootMs } from '../../src/observe/boot-clock.js';
import { glance } from '../../src/observe/glance.js';
import { linuxGlance, linuxHost } from '../../src/observe/linux/processes.js';
import { macosPlatform } from '../../src/observe/macos/macos.js';
import { otherPlatform } from '../../src/observe/other.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { windowsPlatform } from '../../src/observe/windows/windows.js';

test('each system has its own way of looking, and one that is not known has what is the same everywhere', async () => {
  const { shows: linux, ...here } = await thisPlatform('linux');
  expect(here).toMatchObject({ name: 'linux', remedy: 'check how /proc is mounted here' });
  expect(linux).toEqual({ environments: true, clients: true, startTokens: 'ticks', births: true, cwdOfAll: true });
  const shownBy = async (name: NodeJS.Platform) => {
    const { name: called, shows } = await thisPlatform(name);
    return [called, shows];
  };
  expect(await shownBy('darwin')).toEqual(['darwin', macosPlatform().shows]);
  expect(await shownBy('win32')).toEqual(['win32', windowsPlatform().shows]);
  expect(await shownBy('freebsd')).toEqual(['freebsd', otherPlatform.shows]);
});

test('each system has its own glance for a hook, and one that is not known shows nothing', async () => {
  const spaceOf = async (name: NodeJS.Platform) => (await glance({ boot: false }, name)).host().pidNamespace;
  expect(await spaceOf('darwin')).toBe('darwin');
  expect(await spaceOf('win32')).toBe('win32');
  expect(await glance({ boot: false }, 'linux')).toEqual({ look: linuxGlance, host: linuxHost });
  const blind = await glance({ boot: true }, 'freebsd');
  expect([blind.look(process.pid), blind.host()]).toEqual(['unknown', linuxHost()]);
});

test('the boot clock counts milliseconds, and whole ones', () => {
  const { uptime } = os;
  onTestFinished(() => {
    Object.assign(os, { uptime });
    syncBuiltinESMExports();
  });
  Object.assign(os, { uptime: () => 1234.5678 });
  syncBuiltinESMExports();
  expect(bootMs()).toBe(1_234_568);
});
