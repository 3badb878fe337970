import { spawnSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClaudeApi, startClaudeApi } from './claude-api.js';
import { claudeBinary } from './claude-release.js';
import { alive } from './proc.js';
import { PROGRAM } from './program.js';
import { type Changes, createSandbox, type Sandbox } from './sandbox.js';
import { inTurn } from './turn.js';
import { waitFor } from './wait.js';

/** A sandbox in which the real client runs: its own home, a stand-in model, and the program on the PATH. */
export interface ClaudeSandbox extends Sandbox {
  /** `claude -p`, to completion. */
  print(prompt: string, options?: ClientOptions): Promise<Printed>;
  /** `claude` in a terminal of its own. */
  open(options?: ClientOptions): Promise<Terminal>;
  /** The bodies of all that the model was asked. */
  readonly asked: readonly string[];
  /** Another project that the client trusts. */
  addProject(name: string): Promise<string>;
}

export interface ClientOptions {
  readonly args?: readonly string[];
  /** What the model may do without a question to the person; the shell, unless it is said. */
  readonly tools?: readonly string[];
  readonly cwd?: string;
  readonly env?: Changes;
}

export interface Printed {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Terminal {
  /** The client's pid. */
  readonly pid: number;
  /** Types a line and presses Enter; the client may show it another way. */
  type(line: string, asShown?: string): Promise<void>;
  /** Presses a key, by tmux's name for it. */
  press(key: string): void;
  /** Has the shell tool run a command, and waits for the model's answer to its result. */
  execute(command: string): Promise<void>;
  screen(): string;
  /** Closes the terminal under the client. */
  close(): void;
  ended(): Promise<void>;
}

export const createClaudeSandbox = async (name: string, binary = claudeBinary()): Promise<ClaudeSandbox> => {
  const sandbox = await createSandbox(`claude-${name}`);
  const api = await startClaudeApi();
  await symlink(PROGRAM, join(sandbox.binDir, 'opencode-reap'));
  await symlink(binary ?? '/nowhere', join(sandbox.binDir, 'claude'));
  const projects = [sandbox.project];
  await settle(sandbox, projects);
  const terminals: (() => void)[] = [];
  return {
    ...sandbox,
    env: (changes) => sandbox.env({ ...clientEnvironment(api), ...changes }),
    asked: api.asked,
    print: (prompt, options) => inTurn(() => print(sandbox, api, prompt, options)),
    open: async (options) => {
      const terminal = await inTurn(() => openTerminal(sandbox, api, options));
      terminals.push(terminal.close);
      return terminal;
    },
    addProject: async (folder) => {
      const project = join(sandbox.root, folder);
      await mkdir(project);
      projects.push(project);
      await settle(sandbox, projects);
      return project;
    },
    dispose: async () => {
      for (const close of terminals) close();
      await api.close();
      await sandbox.dispose();
    },
  };
};

/** Makes the client ask nothing: it was started before, trusts the projects, and accepts the key. */
const settle = async (sandbox: Sandbox, projects: readonly string[]): Promise<void> => {
  const trusted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true, allowedTools: [] };
  await mkdir(join(sandbox.home, '.claude'), { recursive: true });
  await writeFile(
    join(sandbox.home, '.claude.json'),
    JSON.stringify({
      numStartups: 5,
      theme: 'dark',
      hasCompletedOnboarding: true,
      lastOnboardingVersion: '99.0.0',
      autoUpdates: false,
      customApiKeyResponses: { approved: ['dummy'], rejected: [] },
      projects: Object.fromEntries(projects.map((project) => [project, trusted])),
    }),
  );
};

const clientEnvironment = (api: ClaudeApi): Changes => ({
  ANTHROPIC_API_KEY: 'dummy',
  ANTHROPIC_BASE_URL: api.url,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
  TERM: 'xterm-256color',
  USER: 'someone',
  SHELL: '/bin/bash',
  OPENCODE_REAP_LINGER: '1s',
  OPENCODE_REAP_OLDER_THAN: '0s',
});

// The default mode asks one of the vendor's classifiers for each tool call, which a stand-in does not have.
const TOOLS = ['--permission-mode', 'default', '--allowedTools', 'Bash'];

const print = (sandbox: Sandbox, api: ClaudeApi, prompt: string, options: ClientOptions = {}): Promise<Printed> => {
  const { args = [], tools = TOOLS, cwd = sandbox.project, env = {} } = options;
  const child = sandbox.spawn('claude', ['-p', prompt, ...tools, ...args], {
    cwd,
    env: sandbox.env({ ...clientEnvironment(api), ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
};

const openTerminal = async (sandbox: Sandbox, api: ClaudeApi, options: ClientOptions = {}): Promise<Terminal> => {
  const { args = [], cwd = sandbox.project, env = {} } = options;
  const socket = join(sandbox.root, `tmux-${Math.random().toString(36).slice(2, 8)}`);
  const environment = sandbox.env({ ...clientEnvironment(api), ...env });
  const tmux = (...words: string[]): string =>
    spawnSync('tmux', ['-S', socket, '-f', '/dev/null', ...words], { env: environment, cwd, encoding: 'utf8' }).stdout;
  tmux('new-session', '-d', '-x', '160', '-y', '50', 'claude', ...TOOLS, ...args);
  const pid = Number(tmux('display-message', '-p', '#{pane_pid}'));
  sandbox.track(Number(tmux('display-message', '-p', '#{pid}')));
  const screen = (): string => tmux('capture-pane', '-p');
  await waitFor(`the client's prompt\n${screen()}`, () => /❯|\? for shortcuts/.test(screen()), 30_000);
  const type = async (line: string, asShown = line): Promise<void> => {
    tmux('send-keys', '-l', line);
    await waitFor(`${line} on the screen`, () => screen().includes(asShown.slice(0, 40)));
    tmux('send-keys', 'Enter');
  };
  return {
    pid,
    screen,
    type,
    press: (key) => void tmux('send-keys', key),
    execute: async (command) => {
      const answers = (): number => screen().split('● done').length;
      const before = answers();
      await type(`please execute: ${command}`);
      await waitFor(`the answer to ${command}`, () => answers() > before, 40_000);
    },
    close: () => void tmux('kill-server'),
    ended: async () => void (await waitFor('the end of the client', () => !alive(pid), 30_000)),
  };
};
