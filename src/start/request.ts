import type { Variables } from '../common/variables.js';
import type { Secret } from '../model/secret.js';

export interface Wanted {
  /** 0 for any that is free. */
  readonly port: number;
  /** A loopback address. */
  readonly hostname: string;
  readonly workspace: string;
  readonly sessionId: string | undefined;
  readonly plugin: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Variables;
  readonly readyTimeoutMs: number;
  /** How long the server must be quiet before the watch stops it; 0 for never. */
  readonly retireAfterMs: number;
  /** This program, as a file that node can run, for the watch; undefined if there is none. */
  readonly program: string | undefined;
  /** Whether the server gets a password of its own. */
  readonly secure?: boolean | undefined;
}

export interface Started {
  readonly kind: 'started';
  readonly url: string;
  /** The process that listens; undefined where it cannot be seen. */
  readonly pid: number | undefined;
  readonly alreadyRunning: boolean;
  readonly startedByPlugin: boolean;
  /** Undefined for a server that is not recorded. */
  readonly id: string | undefined;
  /** Which OpenCode it is. */
  readonly major: 1 | 2;
  /** What lets a caller in: any OpenCode 2, and an OpenCode 1 that was started with a password of its own. */
  readonly password?: Secret | undefined;
}

export interface Refused {
  readonly kind: 'refused';
  readonly error: string;
  readonly hint: string;
}

export const refused = (error: string, hint: string): Refused => ({ kind: 'refused', error, hint });

/** A server that could not be recognized later is not started. */
export const unlisted = (): Refused =>
  refused(
    'cannot list the processes of this machine with their start times',
    'a server started here could not be recognized later, so start opencode serve yourself',
  );

/** The arguments after the command. */
export const argsFor = ({ hostname, port, args }: Wanted): string[] => [
  'serve',
  '--hostname',
  hostname,
  '--port',
  String(port),
  ...args,
];
