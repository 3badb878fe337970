import { closeSync, constants, existsSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Sandbox } from './sandbox.js';

const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));
export const HOOK = fileURLToPath(new URL('../../dist/hook.cjs', import.meta.url));

/** Why no mount can be made here; undefined if one can. */
export const noMounts =
  process.getuid?.() !== 0 ? 'only root can mount' : existsSync('/dev/fuse') ? undefined : 'there is no /dev/fuse';

/**
 * What is behind a mount: nothing anymore; a process that reads nothing; one that reads and never answers, which keeps
 * even SIGKILL from ending the asking process; a file system with one folder, `shop`, a git repository; or one that is
 * there until a process has made it its current folder.
 */
export type Behind = 'nobody' | 'nothing read' | 'nothing answered' | 'a file system' | 'one that goes';

const SHOP = 2n;
const GIT = 3n;
const CHILDREN: Readonly<Record<string, bigint>> = { '1/shop': SHOP, '2/.git': GIT };
const ENOENT = -2;
const ENOSYS = -38;

/** The attributes of a folder: `struct fuse_attr`. */
const attributes = (node: bigint): Buffer => {
  const bytes = Buffer.alloc(88);
  bytes.writeBigUInt64LE(node, 0);
  bytes.writeUInt32LE(0o040_755, 60);
  bytes.writeUInt32LE(2, 64);
  return bytes;
};

function answerTo(opcode: number, node: bigint, body: Buffer): Buffer | number {
  const lookedUp = CHILDREN[`${node}/${body.toString('utf8').split('\0')[0]}`];
  switch (opcode) {
    case 1: {
      if (lookedUp === undefined) return ENOENT;
      const entry = Buffer.alloc(40);
      entry.writeBigUInt64LE(lookedUp, 0);
      return Buffer.concat([entry, attributes(lookedUp)]);
    }
    case 3:
      return Buffer.concat([Buffer.alloc(16), attributes(node)]);
    case 26: {
      const hello = Buffer.alloc(64);
      hello.writeUInt32LE(7, 0);
      hello.writeUInt32LE(31, 4);
      hello.writeUInt32LE(4096, 20);
      return hello;
    }
    default:
      return ENOSYS;
  }
}

/** Answers what FUSE's protocol requires, until the file is closed. */
function serve(fd: number, behind: Behind, isGone: () => boolean): NodeJS.Timeout {
  const buffer = Buffer.alloc(65_536 * 2);
  const next = (): void => {
    for (;;) {
      try {
        readSync(fd, buffer, 0, buffer.length, null);
      } catch (error) {
        if (error instanceof Error && 'code' in error) return;
        throw error;
      }
      const opcode = buffer.readUInt32LE(4);
      // FORGET, INTERRUPT and BATCH_FORGET expect no answer.
      if ([2, 36, 42].includes(opcode) || (opcode !== 26 && (behind === 'nothing answered' || isGone()))) continue;
      const answer = answerTo(opcode, buffer.readBigUInt64LE(16), buffer.subarray(40, buffer.readUInt32LE(0)));
      const body = typeof answer === 'number' ? Buffer.alloc(0) : answer;
      const head = Buffer.alloc(16);
      head.writeUInt32LE(16 + body.length, 0);
      head.writeInt32LE(typeof answer === 'number' ? answer : 0, 4);
      head.writeBigUInt64LE(buffer.readBigUInt64LE(8), 8);
      writeSync(fd, Buffer.concat([head, body]));
    }
  };
  return setInterval(next, 2);
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

/**
 * Runs the program, or the hook, with a FUSE mount at a folder: in a mount namespace of its own, so that no other
 * process sees it and it ends with the program.
 */
export const runBehindMount = async (
  sandbox: Sandbox,
  {
    at,
    behind,
    words,
    input = '',
    cwd = sandbox.project,
    program = PROGRAM,
    env = {},
  }: {
    readonly at: string;
    readonly behind: Behind;
    readonly words: readonly string[];
    readonly input?: string;
    readonly cwd?: string;
    readonly program?: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<Ended> => {
  const fd = openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK);
  const keeps = behind === 'nobody' ? 'exec 3>&-;' : '';
  const script = `mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0,allow_other far "$0" && ${keeps} cd "$1" && touch "$0-gone" && shift && exec "$@"`;
  const args = ['-m', '--propagation', 'private', 'sh', '-c', script, at, cwd, process.execPath, program, ...words];
  const child = sandbox.spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe', fd], env: sandbox.env(env) });
  if (behind === 'nobody') closeSync(fd);
  const serving =
    behind.startsWith('nothing read') || behind === 'nobody'
      ? undefined
      : serve(fd, behind, () => behind === 'one that goes' && existsSync(`${at}-gone`));
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) child[name]?.on('data', (text) => (said[name] += text));
  child.stdin?.on('error', () => undefined).end(input);
  const began = performance.now();
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  const tookMs = performance.now() - began;
  clearTimeout(late);
  clearInterval(serving);
  rmSync(`${at}-gone`, { force: true });
  // Releases what the mount still keeps.
  if (behind !== 'nobody') closeSync(fd);
  return { code, ...said, tookMs };
};
