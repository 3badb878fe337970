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

const meanwhile = { happens: (): void => undefined };

let root: string;
let file: string;

beforeEach(() => {
  const { readSync } = fs;
  vi.spyOn(fs, 'readSync').mockImplementation((...args: unknown[]) => {
    const length = readSync(...(args as Parameters<typeof readSync>));
    meanwhile.happens();
    return length;
  });
  syncBuiltinESMExports();
  root = mkdtempSync(join(tmpdir(), 'opencode-reap-replaced-'));
  file = join(root, 'file');
  writeFileSync(file, 'first', { mode: 0o600 });
});

afterEach(() => {
  meanwhile.happens = () => undefined;
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
    meanwhile.happens = () => undefined;
    change();
  };
};

test('a file that is replaced while it is read is read again', () => {
  once(() => replace('second'));
  expect(readSmall(file)).toMatchObject({ kind: 'text', text: 'second', trust: { kind: 'trusted' } });
});

test('a file that is replaced each time it is read is unread', () => {
  let times = 0;
  meanwhile.happens = () => {
    times += 1;
    replace(`${times}`);
  };
  expect(readSmall(file)).toEqual({ kind: 'unread', error: 'it was replaced while it was read' });
});

test('a file that is removed while it is read is absent', () => {
  once(() => unlinkSync(file));
  expect(readSmall(file)).toEqual({ kind: 'absent' });
});

test('a file is not trusted for a folder that came in place of its own', () => {
  for (const [name, mode] of [
    ['open', 0o777],
    ['closed', 0o700],
  ] as const) {
    mkdirSync(join(root, name));
    chmodSync(join(root, name), mode);
    writeFileSync(join(root, name, 'file'), name, { mode: 0o600 });
  }
  const link = join(root, 'link');
  symlinkSync('open', link);
  expect(readSmall(join(link, 'file'))).toMatchObject({ text: 'open', trust: { kind: 'untrusted' } });
  once(() => {
    symlinkSync('closed', join(root, 'new'));
    renameSync(join(root, 'new'), link);
  });
  expect(readSmall(join(link, 'file'))).toMatchObject({ text: 'closed', trust: { kind: 'trusted' } });
});
