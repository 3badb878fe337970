import type { Host } from '../model/identity.js';
import type { Environment, ProcessTable, Seen, Sockets } from '../model/process.js';
import type { Witness } from '../model/record.js';

/** What one platform shows; the rest is written down. */
export type PlatformAdapter = Omit<Platform, 'claudeSessions'>;

/** What can be seen of this machine. Undefined always means that it could not be read. */
export interface Platform {
  readonly host: () => Host;
  readonly processes: () => Promise<ProcessTable | undefined>;
  /** On Linux at once, so that nothing comes between a look and a signal. */
  readonly look: (pid: number) => Seen | Promise<Seen>;
  readonly environment: (pid: number) => Environment | undefined;
  readonly sockets: (server: number, tree: readonly number[]) => Sockets | undefined;
  /** Whether it waits for connections of any kind, in whatever network namespace it is. */
  readonly listens: (pid: number) => boolean | undefined;
  readonly cwd: (pid: number) => string | undefined;
  /** Whether a live process keeps from us where it works. */
  readonly hidesCwd: (pid: number) => boolean;
  /** Whether a process has pids or a clock of its own, so that what it writes about itself fits nothing here. */
  readonly isElsewhere: (pid: number) => boolean;
  /** Claude Code's own list of sessions in one of its config folders; undefined when it cannot be read. */
  readonly claudeSessions: (configDir: string) => readonly Witness[] | undefined;
  /**
   * Who listens on a port of this machine, for connections to that IPv4 address where one is given and addresses can be
   * told; undefined when nobody does, or nobody who can be seen.
   */
  readonly listener: (port: number, host?: string) => Promise<number | undefined>;
  /** Whose that is, which everybody may see; undefined when nobody listens, or it cannot be told. */
  readonly listenerUser: (port: number, host: string) => number | undefined;
}
