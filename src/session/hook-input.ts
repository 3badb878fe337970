import { fstatSync, readSync } from 'node:fs';
import { codeOf, isSystemError } from '../common/errors.js';
import { parseObject, text } from '../state/files/parse.js';

/** What Claude Code sends on standard input. Undefined fields were missing or of another type. */
export interface HookInput {
  readonly session: string | undefined;
  readonly cwd: string | undefined;
  readonly source: string | undefined;
  readonly reason: string | undefined;
}

/** The client sends everything at once, some 30 ms after we start. Waiting longer is not worth any of its 1.5 s. */
const PATIENCE_MS = 250;
const AGAIN_MS = 2;
/** Usually it is there already or in a moment, and a timer would sleep through that moment. */
const EAGER_MS = 5;
const MAX_BYTES = 256 * 1024;
const STDIN = 0;

/** Time since the process started; `performance` would have to be loaded first. */
const now = (): number => process.uptime() * 1000;

/**
 * Reads until the JSON is complete, not until the input ends: that may never happen. If it is not complete in time, the
 * input counts as empty.
 */
export function readInput(then: (input: HookInput) => void): void {
  if (isReady()) readAsItComes(then);
  else readStream(process.stdin, then);
}

function readAsItComes(then: (input: HookInput) => void): void {
  const soon = now() + EAGER_MS;
  const until = now() + PATIENCE_MS;
  const chunks: Buffer[] = [];
  const goOn = (): void => {
    const input = take(chunks, now() >= until);
    if (input) then(input);
    else if (now() < soon) setImmediate(goOn);
    else setTimeout(goOn, AGAIN_MS);
  };
  goOn();
}

/**
 * Takes what there is to read now. Returns the input once it is complete or ended, or when time is up; else undefined.
 */
function take(chunks: Buffer[], isLate: boolean): HookInput | undefined {
  const buffer = Buffer.allocUnsafe(65_536);
  for (;;) {
    const length = readNow(buffer);
    if (length === undefined) return isLate ? EMPTY : undefined;
    chunks.push(Buffer.from(buffer.subarray(0, length)));
    const text = Buffer.concat(chunks);
    const whole = text.length > MAX_BYTES ? EMPTY : parseInput(text.toString('utf8'));
    if (whole || length === 0) return whole ?? EMPTY;
  }
}

/** The number of bytes read; undefined when there is nothing yet, 0 at the end. */
function readNow(buffer: Buffer): number | undefined {
  try {
    return readSync(STDIN, buffer, 0, buffer.length, null);
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return undefined;
    // Closed by the process that started us, or a folder: as good as empty.
    if (isSystemError(error)) return 0;
    throw error;
  }
}

interface NativePipe {
  open(fd: number): unknown;
}
type Binding = (name: string) => { readonly Pipe: new (kind: number) => NativePipe };

/**
 * Makes a read return at once when there is nothing to read; false where that is not possible. Loading `process.stdin`
 * takes 3 ms, a sixth of what node itself takes, for `net` and the streams; this is the one part of them that is
 * needed. Opening a socket or a pipe as libuv's own sets O_NONBLOCK, as `process.stdin` would. Reading in a thread does
 * not help: while it blocks, node cannot even exit.
 */
function isReady(): boolean {
  const stat = fstatSync(STDIN);
  if (stat.isFile()) return true;
  if (!stat.isSocket() && !stat.isFIFO()) return false;
  try {
    const { Pipe } = (process as unknown as { readonly binding: Binding }).binding('pipe_wrap');
    new Pipe(0).open(STDIN);
    return true;
  } catch (error) {
    // Undocumented, so it may disappear one day; then the slow way remains.
    if (error instanceof Error) return false;
    throw error;
  }
}

function readStream(stdin: NodeJS.ReadStream, then: (input: HookInput) => void): void {
  let text = '';
  let done = false;
  const finish = (): void => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    stdin.pause();
    then(parseInput(text) ?? EMPTY);
  };
  const timer = setTimeout(finish, PATIENCE_MS);
  stdin.setEncoding('utf8');
  stdin.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > MAX_BYTES || parseInput(text)) finish();
  });
  stdin.on('end', finish);
  stdin.on('error', finish);
}

const EMPTY: HookInput = { session: undefined, cwd: undefined, source: undefined, reason: undefined };

export function parseInput(input: string): HookInput | undefined {
  if (!input.trimEnd().endsWith('}')) return undefined;
  const json = parseObject(input);
  if (typeof json === 'string') return undefined;
  return { session: text(json.session_id), cwd: text(json.cwd), source: text(json.source), reason: text(json.reason) };
}
