import fs, {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readSmall } from '../../src/state/files/read.js';

/* What a file says, and who could have written it, are of one file, whatever happens while it is read. */

const nothing = (): void => undefined;
/** After it was read, and before its name is looked at once more. */
const meanwhile = { happens: nothing, later: nothing };

let root: string;
let file: string;

beforeEach(() => {
  const { readSync } = fs;
  vi.spyOn(fs, 'readSync').mockImplementation((...args: unknown[]) => {
    const length = readSync(...(args as Parameters<typeof readSync>));
    meanwhile.happens();
    return length;
  });
  const { lstatSync } = fs;
  vi.spyOn(fs, 'lstatSync').mockImplementation(((...args: Parameters<typeof lstatSync>) => {
    meanwhile.later();
    return lstatSync(...args);
  }) as typeof lstatSync);
  syncBuiltinESMExports();
  root = mkdtempSync(join(tmpdir(), 'opencode-reap-replaced-'));
  file = join(root, 'file');
  writeFileSync(file, 'first', { mode: 0o600 });
});

afterEach(() => {
  Object.assign(meanwhile, { happens: nothing, later: nothing });
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  rmSync(root, { recursive: true, force: true });
});

const replace = (text: string): void => {
  writeFileSync(join(root, 'next'), text, { mode: 0o600 });
  renameSync(join(root, 'next'), file);
};

/** Only the first time. */
const once = (change: () => void): void => {
  meanwhile.happens = () => {
    meanwhile.happens = nothing;
    change();
  };
};

test('a file that is replaced while it is read is read again', () => {
  once(() => replace('second'));
  expect(readSmall(file)).toMatchObject({ kind: 'text', text: 'second', trust: { kind: 'trusted' } });
});

test('a file that is replaced each time it is read is unread after three times', () => {
  let times = 0;
  meanwhile.happens = () => {
    times += 1;
    replace(`${times}`);
  };
  expect(readSmall(file)).toEqual({ kind: 'unread', error: 'it was replaced while it was read' });
  expect(times).toBe(3);
});

test('a file that is removed while it is read is absent', () => {
  once(() => unlinkSync(file));
  expect(readSmall(file)).toEqual({ kind: 'absent' });
});

/** Two folders, of which only the closed one makes what is in it trusted, and a link to the open one. */
function twoFolders(): { readonly link: string; readonly turn: (to: 'open' | 'closed') => void } {
  for (const [name, mode] of [
    ['open', 0o777],
    ['closed', 0o700],
  ] as const) {
    mkdirSync(join(root, name));
    chmodSync(join(root, name), mode);
    writeFileSync(join(root, name, 'file'), name, { mode: 0o600 });
  }
  const link = join(root, 'link');
  const turn = (to: 'open' | 'closed'): void => {
    symlinkSync(to, join(root, 'new'));
    renameSync(join(root, 'new'), link);
  };
  turn('open');
  return { link, turn };
}

test('a file is not trusted for a folder that came in place of its own', () => {
  const { link, turn } = twoFolders();
  expect(readSmall(join(link, 'file'))).toMatchObject({ text: 'open', trust: { kind: 'untrusted' } });
  once(() => turn('closed'));
  expect(readSmall(join(link, 'file'))).toMatchObject({ text: 'closed', trust: { kind: 'trusted' } });
});

test('nor for one that came and went', () => {
  const { link, turn } = twoFolders();
  meanwhile.happens = () => turn('closed');
  meanwhile.later = () => turn('open');
  expect(readSmall(join(link, 'file'))).toEqual({ kind: 'unread', error: 'it was replaced while it was read' });
});
