import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { request } from '../support/client.js';
import { reservePort } from '../support/port.js';
import { newProfile, onHost, type Profile, reap, script } from './machine.js';

/* What a person does in a day, by the built program, and a plugin by the file that it copies. */

const answers = async (port: number): Promise<boolean> =>
  request(`http://127.0.0.1:${port}`, '/global/health', { timeoutMs: 3_000 }).then(
    ({ status }) => status === 200,
    () => false,
  );

interface Said {
  readonly port: number | null;
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly guards: readonly { readonly name: string; readonly outcome: string; readonly detail: string }[];
  readonly outcome: { readonly kind: string } | null;
}

async function reaped(profile: Profile, ...args: readonly string[]): Promise<readonly Said[]> {
  const { stdout, stderr } = await reap(['--all-stale', '--older-than', '1s', '--json', ...args], profile);
  const { servers, unrecorded } = JSON.parse(stdout || expect.fail(stderr));
  return [...servers, ...unrecorded];
}

const fine = async (profile: Profile, ...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await reap(args, profile);
  expect(code, `${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
  return `${stdout}${stderr}`;
};

test('a person’s own server stays, until it is handed over, and while it is kept (stand-ins: PowerShell, netstat)', async () => {
  const profile = newProfile();
  const port = await reservePort();
  expect((await script('serve.cjs', [`${port}`, profile.project], profile)).code).toBe(0);
  expect(await reaped(profile)).toMatchObject([{ port }]);
  expect(await answers(port)).toBe(true);
  expect(await fine(profile, 'adopt', `:${port}`)).toContain('may be reaped from now on');
  expect(await fine(profile, 'keep', `:${port}`)).toContain('is kept until');
  expect(await reaped(profile)).toMatchObject([{ port, verdict: 'spared', reasons: ['unkept'], outcome: null }]);
  expect(await fine(profile, 'why', `:${port}`)).toMatch(/the user wants it kept/);
  expect(await answers(port)).toBe(true);
  expect(await fine(profile, 'unkeep', `:${port}`)).toContain('is no longer kept');
  const [last] = await reaped(profile);
  expect(last?.outcome, JSON.stringify(last?.guards)).toMatchObject({ kind: 'stopped' });
  expect(await answers(port)).toBe(false);
});

test('a plugin starts one by the file that it copies, finds it again, and a person ends it (stand-ins: PowerShell, netstat)', async () => {
  const profile = newProfile();
  const port = await reservePort();
  const { code, stdout, stderr } = await script('ensure.mjs', [`${port}`], profile, { seconds: 200 });
  expect(code, stderr).toBe(0);
  const [started, again] = JSON.parse(stdout);
  expect(started).toMatchObject({ url: `http://127.0.0.1:${port}`, alreadyRunning: false, startedByPlugin: true });
  expect(again).toMatchObject({ pid: started.pid, id: started.id, alreadyRunning: true });
  // Windows lists what asked whether it is ready for some minutes, which counts as a use.
  expect(await reaped(profile)).toMatchObject([{ port, outcome: null }]);
  expect(await fine(profile, 'stop', `:${port}`, '--yes')).toContain('stopped');
  expect(await answers(port)).toBe(false);
});

test('install, doctor and uninstall leave the settings as they were (stand-in: PowerShell)', async () => {
  const profile = newProfile();
  const settings = onHost(`${profile.home}\\.claude\\settings.json`);
  mkdirSync(onHost(`${profile.home}\\.claude`), { recursive: true });
  const own = '{\r\n  "model": "opus",\r\n  "hooks": {}\r\n}\r\n';
  writeFileSync(settings, own);
  await fine(profile, 'install');
  const { hooks } = JSON.parse(readFileSync(settings, 'utf8'));
  const [{ hooks: handlers }] = hooks.SessionEnd;
  // In the form that no shell reads, and with a copy of this program that needs nothing beside it.
  expect(handlers).toMatchObject([{ command: expect.stringMatching(/node(\.exe)?$/i), args: expect.any(Array) }]);
  const copy = handlers[0].args.find((word: string) => /opencode-reap/.test(word));
  expect(existsSync(onHost(copy)), copy).toBe(true);
  const doctor = await reap(['doctor'], profile);
  expect(doctor.stdout).toMatch(/node +22\./);
  // Wine shows no owner of a socket of node's, and doctor looks at one. Anything else can be read.
  expect(doctor.stdout).toMatch(/machine +cannot be read: sockets; without it identity and idle cannot be answered/);
  await fine(profile, 'uninstall');
  expect(readFileSync(settings, 'utf8')).toBe(own);
});
