/** What Claude Code says on standard input. Undefined fields were missing or of another type. */
export interface HookInput {
  readonly session: string | undefined;
  readonly cwd: string | undefined;
  readonly source: string | undefined;
  readonly reason: string | undefined;
}

/** The client sends everything at once, some 30 ms after we start. Nothing is worth more of its 1.5 s than this. */
const PATIENCE_MS = 250;
const MAX_BYTES = 256 * 1024;

/**
 * Reads until the JSON is whole, and not until the input ends: it may never. Without whole JSON in time, what there
 * is of it decides nothing and the input is empty.
 */
export function readInput(stdin: NodeJS.ReadStream, then: (input: HookInput) => void): void {
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
    if (text.length > MAX_BYTES || (text.trimEnd().endsWith('}') && parseInput(text))) finish();
  });
  stdin.on('end', finish);
  stdin.on('error', finish);
}

const EMPTY: HookInput = { session: undefined, cwd: undefined, source: undefined, reason: undefined };

export function parseInput(text: string): HookInput | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null) return undefined;
    const field = (name: string): string | undefined => {
      const value = (json as Record<string, unknown>)[name];
      return typeof value === 'string' && value !== '' ? value : undefined;
    };
    return { session: field('session_id'), cwd: field('cwd'), source: field('source'), reason: field('reason') };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
