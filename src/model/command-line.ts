/**
 * What an argv is. `serve` is a server, `opencode` another OpenCode command (a TUI may listen on 4096 too), `other`
 * anything else. It can veto; it never proves that a process is ours.
 */
export type CommandLine =
  | {
      readonly kind: 'serve';
      readonly port: number | undefined;
      readonly sharedDaemon: boolean;
      /** Run by an interpreter or a shell, so it may be only a launcher. */
      readonly interpreted: boolean;
    }
  | { readonly kind: 'opencode' }
  | { readonly kind: 'other' };

// `.opencode` is the native binary that 1.14's node script starts, `opencode.exe` the one from 1.15.4 on, on Linux too.
const PROGRAM = /^\.?opencode2?(\.exe|\.cmd|\.js)?$/i;
const INTERPRETER = /^(node|nodejs|bun|sh|bash|dash|zsh|env|cmd)(\.exe)?$/i;
// The options before the command that take a value.
const WITH_VALUE = new Set('--log-level --port --hostname --model -m --session -s --prompt --agent'.split(' '));

export function classify(argv: readonly string[]): CommandLine {
  const rest = afterProgram(argv);
  if (rest === undefined) return { kind: 'other' };
  const at = firstPlainWord(rest);
  if (at === undefined || rest[at] !== 'serve') return { kind: 'opencode' };
  const args = rest.slice(at + 1);
  // OpenCode 2: `--service` is the user's shared daemon, `--stdio` belongs to the process that has its stdin.
  const sharedDaemon = args.some((arg) => /^--(service|stdio)(=|$)/.test(arg));
  return { kind: 'serve', port: portOf(args), sharedDaemon, interpreted: !PROGRAM.test(baseName(argv[0] ?? '')) };
}

/**
 * The arguments after the opencode program, looking through one interpreter: `node …/opencode serve`, `sh -c 'opencode
 * serve'`. A line that runs more than that is a shell's, and the server is one of the processes below it.
 */
function afterProgram(argv: readonly string[]): readonly string[] | undefined {
  const [program, ...rest] = argv;
  if (program === undefined) return undefined;
  if (PROGRAM.test(baseName(program))) return rest;
  if (!INTERPRETER.test(baseName(program))) return undefined;
  const script = rest.findIndex((arg) => !/^[-/][^/]*$/.test(arg));
  const found = rest[script];
  if (found === undefined) return undefined;
  const option = rest[script - 1] ?? '';
  const isLine = /^(-c|\/c)$/i.test(option);
  // What follows the line of `sh -c` is its parameters; `cmd.exe /c` runs everything that follows.
  if (isLine && runsMore(option.startsWith('/') ? rest.slice(script).join(' ') : found)) return undefined;
  const words = isLine ? found.trim().split(/\s+/) : [found];
  const [first = '', ...inner] = words;
  return PROGRAM.test(baseName(first)) ? [...inner, ...rest.slice(script + 1)] : undefined;
}

// A server's own output may be redirected anywhere (`> log 2>&1`), but not into another command, as by `> >(tee log)`.
const DUPLICATED = /\d*[<>]&[\d-]+/g;
const RUNS_MORE = /[;&|\r\n(){}`]/;

/** Whether a line is more than one simple command. Quotes are not parsed: in doubt it is. */
const runsMore = (line: string): boolean => RUNS_MORE.test(line.trim().replace(DUPLICATED, ' '));

function firstPlainWord(args: readonly string[]): number | undefined {
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? '';
    if (!arg.startsWith('-')) return i;
    if (WITH_VALUE.has(arg)) i += 1;
  }
  return undefined;
}

function portOf(args: readonly string[]): number | undefined {
  const at = args.findIndex((arg) => /^--port(=|$)/.test(arg));
  const text = args[at]?.includes('=') ? args[at]?.slice('--port='.length) : args[at + 1];
  const port = at < 0 || !/^\d{1,5}$/.test(text ?? '') ? 0 : Number(text);
  return port > 0 && port < 65_536 ? port : undefined;
}

const baseName = (path: string): string => path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
