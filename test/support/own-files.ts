import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, onTestFinished } from 'vitest';
import { type Host, type Pid, parsePid } from '../../src/model/identity.js';
import { type StateFolder, stateFolder } from '../../src/state/folders.js';

/* Files of our own, as they stand in a state folder of each test's own. */

export const HERE: Host = { id: 'this machine', boot: 'this boot', pidNamespace: 'these pids', name: 'x' };
export const SCHEMA = { schema: 'opencode-reap/1' };

export function pid(value: number): Pid {
  const parsed = parsePid(value);
  if (parsed === undefined) throw new Error(`${value} is no pid`);
  return parsed;
}

export interface OwnFiles {
  folder: StateFolder;
  /** Writes a file, and returns its path. */
  readonly put: (name: string, content: unknown, mode?: number) => string;
}

export function ownFiles(): OwnFiles {
  const own: OwnFiles = {
    folder: stateFolder(''),
    put: (name, content, mode = 0o600) => {
      const file = join(own.folder.root, name);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
      chmodSync(file, mode);
      return file;
    },
  };
  beforeEach(() => {
    const root = mkdtempSync(join(tmpdir(), 'opencode-reap-ours-'));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    own.folder = stateFolder(root);
  });
  return own;
}
