import { execFile, spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * Windows, as Wine has it: real programs of Windows, on this machine's network. Wine has PowerShell, netstat and taskkill
 * only in name, so stand-ins take their places (standin.c). A pipe as standard output breaks node.exe under Wine, so
 * everything goes through files.
 */

export const VERSIONS = {
  NODE_WIN: '22.23.3',
  NODE_WIN_OLD: '20.20.2',
  OPENCODE_WIN: '1.18.32',
  CLAUDE_WIN: '2.1.330',
};

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const FOLDER = join(ROOT, 'node_modules/.cache/opencode-reap/wine');
export const DRIVE = join(FOLDER, 'prefix/drive_c');

/** The file of this machine that a path on drive C leads to. */
export const onHost = (path: string): string => join(DRIVE, path.replace(/^c:\\/i, '').replaceAll('\\', '/'));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Call {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly seconds?: number;
  readonly node?: 'n22' | 'n20';
}

/** What one test has of the user's profile. Wine has one user, and says itself where the profile is. */
export interface Profile {
  readonly home: string;
  readonly project: string;
  readonly stateDir: string;
}

let projects = 0;

/** Emptied of what other tests have written down, with a new project. */
export function newProfile(): Profile {
  projects += 1;
  const home = `C:\\users\\${userInfo().username}`;
  const project = `${home}\\code\\shop-${projects}`;
  const stateDir = `${home}\\AppData\\Local\\opencode-reap`;
  for (const folder of [stateDir, `${home}\\.claude`, project])
    rmSync(onHost(folder), { recursive: true, force: true });
  mkdirSync(onHost(project), { recursive: true });
  return { home, project, stateDir };
}

const wineEnv = ({ env = {}, node = 'n22' }: Call): NodeJS.ProcessEnv => ({
  PATH: '/usr/bin:/bin',
  HOME: FOLDER,
  LANG: 'C.UTF-8',
  WINEPREFIX: join(FOLDER, 'prefix'),
  WINEARCH: 'win64',
  WINEDEBUG: '-all',
  WINEPATH: [`C:\\tools\\${node}`, 'C:\\tools\\npm', 'C:\\tools\\claude'].join(';'),
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
  ...env,
});

/** Starts a program that goes on; what it prints is read with `said`. */
export function start(args: readonly string[], call: Call = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'wine-out-'));
  const [out, err] = ['out', 'err'].map((name) => join(folder, name)) as [string, string];
  const stdio = [out, err].map((file) => openSync(file, 'w'));
  const cwd = call.cwd === undefined ? DRIVE : onHost(call.cwd);
  const child = spawn('wine', args, { cwd, env: wineEnv(call), stdio: ['ignore', ...stdio] });
  for (const fd of stdio) closeSync(fd);
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const said = (): Ran => ({
    code: child.exitCode,
    stdout: readFileSync(out, 'utf8'),
    stderr: readFileSync(err, 'utf8'),
  });
  return { ended, said, end: () => child.kill('SIGKILL'), forget: () => rmSync(folder, { recursive: true }) };
}

/** Runs a program to its end. */
export async function run(args: readonly string[], call: Call = {}): Promise<Ran> {
  const program = start(args, call);
  const seconds = call.seconds ?? 150;
  const late = setTimeout(program.end, seconds * 1000);
  await program.ended;
  clearTimeout(late);
  const ran = program.said();
  program.forget();
  if (ran.code === null) throw new Error(`${args.join(' ')} took longer than ${seconds} s: ${ran.stdout}${ran.stderr}`);
  return { ...ran, stderr: ran.stderr.replace(/^.*(wine32|multiarch|dpkg|apt-get).*\n/gm, '') };
}

export const reap = (args: readonly string[], profile: Profile, call: Call = {}): Promise<Ran> =>
  run(['node', 'C:\\reap\\bin\\opencode-reap.js', ...args], { cwd: profile.project, ...call });

export const script = (name: string, args: readonly string[], profile: Profile, call: Call = {}): Promise<Ran> =>
  run(['node', `C:\\scripts\\${name}`, ...args], { cwd: profile.project, ...call });

/** Makes the prefix where there is none, and puts this build and the scripts into it. */
export async function prepare(): Promise<void> {
  if (!existsSync(join(FOLDER, 'ready'))) {
    const setup = fileURLToPath(new URL('setup.sh', import.meta.url));
    rmSync(FOLDER, { recursive: true, force: true });
    const env = { ...process.env, ...VERSIONS };
    await new Promise<void>((resolve, reject) => {
      execFile('bash', [setup, FOLDER], { env, timeout: 600_000 }, (error, _out, text) =>
        error ? reject(new Error(`${error.message}\n${text}`)) : resolve(),
      );
    });
  }
  rmSync(join(DRIVE, 'reap'), { recursive: true, force: true });
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(ROOT, part), join(DRIVE, 'reap', part), { recursive: true });
  cpSync(fileURLToPath(new URL('scripts', import.meta.url)), join(DRIVE, 'scripts'), { recursive: true });
}

/** Ends everything in the prefix, and nothing else. */
export const shutDown = (): Promise<void> =>
  new Promise((resolve) => {
    execFile('wineserver', ['-k'], { env: wineEnv({}) }, () => resolve());
  });

const LOG = 'C:\\standin.log';

/** How the stand-ins were called from here on, one line each. */
export function listenToTools(): () => readonly string[] {
  writeFileSync(onHost(LOG), '');
  return () => readFileSync(onHost(LOG), 'utf8').split('\n').filter(Boolean);
}

export const countOf = (calls: readonly string[], program: string): number =>
  calls.filter((line) => line.includes(`${program}.exe`)).length;

/** The language of the stand-in netstat. */
export function speakGerman(german: boolean): void {
  if (german) writeFileSync(onHost('C:\\standin.de'), '');
  else rmSync(onHost('C:\\standin.de'), { force: true });
}
