import { join } from 'node:path';
import { DIST } from './program.js';
import type { Changes, Sandbox } from './sandbox.js';

const dist = (file: string): string => join(DIST, file);

/** The library as npm installs it, and as a plugin vendors it. */
export const BUILDS = { package: dist('index.js'), vendored: dist('opencode-reap.mjs') } as const;

export interface Call {
  readonly env?: Changes;
  readonly cwd?: string;
  readonly build?: string;
  /** The program that runs it, such as node under another name. */
  readonly node?: string;
}

export interface Answered {
  /** What the promise resolved with; undefined when it rejected. */
  readonly value?: Readonly<Record<string, unknown>>;
  /** What it rejected with. */
  readonly error?: { readonly message: string; readonly hint: unknown };
  /** Anything else that was printed, which should be nothing. */
  readonly stderr: string;
}

const SCRIPT = `const [file, ...calls] = process.argv.slice(1);
const library = await import(file);
for (let at = 0; at < calls.length; at += 2) {
  const told = await library[calls[at]](...JSON.parse(calls[at + 1])).then(
    (value) => ({ value }), ({ message, hint }) => ({ error: { message, hint } }));
  process.stdout.write(JSON.stringify(told) + '\\n');
}`;

/** The arguments after `node` that call one function of the library and print its result. */
export const callWords = (name: string, args: readonly unknown[], build: string = BUILDS.package): string[] => [
  '--input-type=module',
  '-e',
  SCRIPT,
  build,
  name,
  JSON.stringify(args),
];

/** Calls a function of the library in a process of its own, as a plugin's companion does. */
export const callLibrary = async (
  sandbox: Sandbox,
  name: string,
  args: readonly unknown[],
  call: Call = {},
): Promise<Answered> => {
  const [answered] = await callInTurn(sandbox, [[name, args]], call);
  if (answered === undefined) throw new Error(`${name}: no answer`);
  return answered;
};

/** The same for several, one after the other in one process; each answer has all that was printed beside them. */
export const callInTurn = (
  sandbox: Sandbox,
  calls: readonly (readonly [name: string, args: readonly unknown[]])[],
  { env, cwd = sandbox.project, build, node = process.execPath }: Call = {},
): Promise<Answered[]> => {
  const [[first, args] = ['', []], ...others] = calls;
  const more = others.flatMap(([name, its]) => [name, JSON.stringify(its)]);
  const child = sandbox.spawn(node, [...callWords(first, args, build), ...more], { cwd, env: sandbox.env(env) });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  child.stdin?.end();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const lines = output.stdout.split('\n').filter(Boolean);
      if (lines.length !== calls.length) reject(new Error(`${first}: exit code ${code}\n${output.stderr}`));
      else resolve(lines.map((line) => ({ ...JSON.parse(line), stderr: output.stderr })));
    });
  });
};
