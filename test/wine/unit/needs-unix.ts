import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const TESTS = fileURLToPath(new URL('../../', import.meta.url));

/** Why a test file does not run on Windows, by what of ours it uses. */
const BY_SUPPORT: Readonly<Record<string, string>> = {
  'support/sandbox.ts': 'starts programs in a sandbox of Unix: scripts, /bin/sh, a PATH with colons, servers in /proc',
};

/** And where that does not tell. */
const BY_FILE: Readonly<Record<string, string>> = {
  'act/signal.test.ts': 'sends signals, which Windows has not',
  'boundaries.test.ts': 'reads the source with its compiler, which is the same everywhere',
  'cli/streams.test.ts': 'fills pipes through a shell of Unix',
  'observe/ask.test.ts': 'listens itself, and Wine does not say whose a socket of node is',
  'observe/directories.test.ts': 'has folders, links and mounts of Unix',
  'observe/find-directory.test.ts': 'has folders, links and flags of Unix',
  'observe/linux/removed-directory.test.ts': 'reads /proc',
  'observe/macos-glance.test.ts': 'has ps print what a hook looks at on macOS',
  'observe/other.test.ts': 'has ps and lsof fail',
  'observe/run-tool.test.ts': 'runs scripts of /bin/sh',
  'observe/shortage.test.ts': 'is about what cannot be read of /proc',
  'observe/snapshot.test.ts': 'has folders and users of Unix',
  'observe/linux/set-forward.test.ts': 'reads /proc',
  'observe/which-platform.test.ts': 'reads /proc',
  'reap.test.ts': 'asks a server of its own, which is not reached in node.exe under Wine; why is not known yet',
  'run/carry-out.test.ts':
    'asks a server of its own, which is not reached in node.exe under Wine; why is not known yet',
  'run/find-born.test.ts': 'is about births, which only Linux shows',
  'run/find-server.test.ts':
    'asks a server of its own, which is not reached in node.exe under Wine; why is not known yet',
  'run/judge.test.ts': 'asks a server of its own, which is not reached in node.exe under Wine; why is not known yet',
  'run/stop-server.test.ts':
    'asks a server of its own, which is not reached in node.exe under Wine; why is not known yet',
  'run/survey.test.ts': 'has a folder of Unix in an environment',
  'run/what-became.test.ts': 'has folders of Unix in the log',
  'run/world.test.ts': 'has folders of Unix in an environment',
  'state/noted.test.ts': 'has links and modes of Unix',
  'state/plugins/plugin-files.test.ts': 'has links, owners and modes of Unix',
  'state/plugins/plugin-folders.test.ts': 'has folders of Unix in environments',
  'state/plugins/state-file.test.ts': 'has links, owners and modes of Unix',
  'state/read-folder.test.ts': 'has times of 1970, which Wine gives back otherwise',
  'state/registry.test.ts': 'has modes of Unix',
  'state/replaced.test.ts': 'replaces files that are open, which Windows forbids',
  'state/trust-cases.test.ts': 'is about owners and modes',
  'state/trust.test.ts': 'is about owners and modes',
  'state/write.test.ts': 'has errors of Unix, and times of 1970, which Wine gives back otherwise',
};

export interface TestFile {
  readonly file: string;
  /** Undefined when it needs none of Unix. */
  readonly why: string | undefined;
}

/** Every test file of `npm test`, each with the one reason for which it does not run on Windows. */
export function testFiles(): TestFile[] {
  const all = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'));
  const missing = Object.keys({ ...BY_FILE, ...BY_SUPPORT }).filter(
    (file) => !readdirSync(join(TESTS, dirname(file))).includes(file.split('/').at(-1) ?? ''),
  );
  if (missing.length > 0) throw new Error(`no such file: ${missing.join(', ')}`);
  return all.sort().map((file) => ({ file, why: BY_FILE[file] ?? whyByImports(file) }));
}

function whyByImports(file: string): string | undefined {
  const used = importedFrom(join(TESTS, file), new Set());
  return Object.entries(BY_SUPPORT).find(([name]) => used.has(join(TESTS, name)))?.[1];
}

/** With everything that is imported from there on, among the tests. */
function importedFrom(file: string, seen: Set<string>): ReadonlySet<string> {
  if (seen.has(file) || relative(TESTS, file).startsWith('..')) return seen;
  seen.add(file);
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)\.js'/g))
    importedFrom(join(dirname(file), `${name}.ts`), seen);
  return seen;
}
