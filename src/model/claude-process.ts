/**
 * The role of a Claude Code process. A `session` may use servers. A `spare` was started ahead of time and becomes a
 * session when it is claimed; its arguments never show that, only its entry in the client's own list of sessions does.
 * A `helper` never becomes one.
 */
export type ClaudeRole = 'session' | 'spare' | 'helper';

/**
 * `claude`, and what npm (`claude.exe`, on Linux too), Nix (`.claude-wrapped`) and copies that include their version
 * call it. A native install names its background sessions by the version alone, which no other program does.
 */
const PROGRAM =
  /^\.*claude(-code)?([-._](un)?wrapped|[-._](real|bin|orig|old|native|latest|stable|next|linux|darwin|win32|musl|x64|arm64))*_*([-@]v?\d[\w.+-]*)?(\.exe|\.cmd)?$/i;
const VERSION = /^v?\d+\.\d+\.\d+([-+][\w.+-]*)?$/;
/**
 * Native installs keep each version as `claude/versions/<version>`; npm ran a script until 2.1.113, and the SDK still
 * has one.
 */
const PLACE =
  /[\\/](claude[\\/]versions[\\/][^\\/]+|claude-(code|agent-sdk)(-(\d|linux|darwin|win32)[\w.-]*)?[\\/](cli|cli-wrapper|claude)(\.[\w.]+)?)$/;
/** Programs that run a program named in their arguments: a JavaScript runtime, a loader, an emulator. */
const RUNNER = /^(node|nodejs|bun|deno|electron|ld(-linux|-musl)?[-.\w]*\.so[.\d]*|qemu-\w+|box64|fex\w*)(\.exe)?$/i;
/** Options that take a value: `--require` and the like, and those of loaders and emulators. */
const WITH_VALUE =
  /^(-r|--requir[e]|--import|--loader|--experimental-loader|-C|--conditions|--env-file(-if-exists)?|--title|--dns-result-order|--disable-warning|--unhandled-rejections|--trace-event-categories|--library-path|--argv0|--preload|-L|-E)$/;
const EVALUATES = /^(-e|-p|-pe|--eval|--print)(=|$)/;
const SUBCOMMAND = new Set(['run', 'x', 'exec']);

/**
 * Undefined for anything but Claude Code. A process whose arguments cannot be read is a session by its name alone: in
 * doubt it spares.
 */
export function claudeRole(
  name: string,
  argv: readonly string[] | undefined,
  executable: string | undefined,
): ClaudeRole | undefined {
  const args = argv?.some((arg) => arg.includes('claude')) ? argsOf(argv) : undefined;
  if (args) return roleOf(args);
  if (!isNamed(name) && !isClaude(executable)) return undefined;
  const rest = argv?.slice(1) ?? [];
  // A script of that name has its own path among its shell's arguments.
  return roleOf(isClaude(rest[0]) ? rest.slice(1) : rest);
}

/** The arguments after the client in a command line; undefined when the client is not in it. */
function argsOf(argv: readonly string[]): readonly string[] | undefined {
  const [program = '', ...rest] = argv;
  if (isClaude(program)) return rest;
  // The client's own helpers are named `claude bg-spare` and the like, in one word.
  const [first = '', ...inner] = program.split(' ');
  if (inner.length > 0 && first === 'claude') return [...inner, ...rest];
  if (!RUNNER.test(baseName(program))) return undefined;
  const script = scriptAt(rest);
  return script !== undefined && isClaude(rest[script]) ? rest.slice(script + 1) : undefined;
}

function scriptAt(args: readonly string[]): number | undefined {
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? '';
    if (EVALUATES.test(arg)) return undefined;
    if (WITH_VALUE.test(arg)) i += 1;
    else if (!arg.startsWith('-') && !SUBCOMMAND.has(arg)) return i;
  }
  return undefined;
}

const isNamed = (name: string): boolean => (name.includes('claude') ? PROGRAM.test(name) : VERSION.test(name));

function isClaude(path: string | undefined): boolean {
  if (!path?.includes('claude')) return false;
  // An update deletes the version that a session is still running.
  const plain = path.replace(/ \(deleted\)$/, '');
  return PROGRAM.test(baseName(plain)) || PLACE.test(plain);
}

/**
 * As 2.1.330 starts them. The daemon and the hosts of its terminals outlive sessions; `mcp serve` lends the client's
 * tools to another program. Anything unknown is a session.
 */
function roleOf([first = '', second]: readonly string[]): ClaudeRole {
  const word = first.replace(/^--(?=bg-|daemon-worker|chrome-native|claude-in-chrome)/, '');
  if (word === 'bg-spare' || word === 'daemon-worker') return 'spare';
  if (['daemon', 'bg-pty-host', 'chrome-native-host', 'claude-in-chrome-mcp'].includes(word)) return 'helper';
  return word === 'mcp' && second === 'serve' ? 'helper' : 'session';
}

const baseName = (path: string): string => path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
