import { count, duration } from '../common/text.js';
import type { Sockets } from '../model/process.js';
import type { SilentSince } from '../model/silence.js';

/** What the server itself says about being busy. `silent` means no answer at all, which a hung server gives as well. */
export type Activity =
  | {
      readonly kind: 'idle';
      readonly directories: number;
      /**
       * When one of its sessions last did something, in epoch milliseconds by the server's clock; undefined when none
       * did, `unknown` when that cannot be told.
       */
      readonly lastActiveAt?: number | 'unknown' | undefined;
      /** The directory that it was started in, asked where nothing else says so. */
      readonly worksIn?: string | undefined;
      /** It is an OpenCode 2. */
      readonly isSecond?: true;
    }
  | {
      readonly kind: 'busy';
      readonly sessions: number;
      readonly directory: string;
      /** What runs there, if it is not a session. */
      readonly what?: 'shell' | 'terminal';
      readonly isSecond?: true;
    }
  | {
      readonly kind: 'silent';
      /** The path that it did not answer, if that is not its health. */
      readonly at?: string;
    }
  | {
      readonly kind: 'hung';
      readonly because: string;
      /** It has been silent for so long that its own outbound connections no longer count. */
      readonly whateverOutbound?: boolean;
      readonly silent?: SilentSince;
    }
  | {
      readonly kind: 'unknown';
      readonly because: string;
      /** With this look, where it did not answer. */
      readonly silent?: SilentSince;
    }
  | { readonly kind: 'not asked' };

const MINUTE = 60_000;

/**
 * Starting takes up to 31 s on a starved host, and requests that come too early hang forever even on a healthy server.
 */
export const SILENCE_COUNTS_AFTER_MS = MINUTE;
/** A server listens within seconds; 1.14.41 with a dead log reader never does, and spins at 100 %. */
export const LISTENING_ON_NOTHING_COUNTS_AFTER_MS = 10 * MINUTE;
export const HUNG_PROBES = 3;
export const HUNG_SPAN_MS = 5_000;

/** Fresh connections to a server, all unanswered unless `answered` is set. */
export interface Silence {
  readonly probes: number;
  readonly answered: boolean;
  readonly spanMs: number;
  /** False when our own timers were late, so that the silence may be our fault. */
  readonly onTime: boolean;
  /** It does answer something else, so it may only be slow: a session may be waiting in it for its user. */
  readonly isPartial?: boolean;
}

/** Silence for this long, over this many looks, is not a wait for an upstream: a model answers, or its connection ends. */
export const LONG_SILENCE_MS = 10 * MINUTE;
export const LONG_SILENCE_LOOKS = 3;
/** Looks that follow each other are one: a server that has just been woken with its machine takes a while. */
const LOOKS_APART_MS = MINUTE;
/** Silence that was not checked for longer than this begins anew: much may have happened. The watch looks every ten minutes. */
const UNCHECKED_MS = 60 * MINUTE;

/** The same silence with one more look, at `nowMs` by the boot clock. */
export function silentWith(before: SilentSince | undefined, nowMs: number): SilentSince {
  if (before === undefined || nowMs - before.lastMs > UNCHECKED_MS) return { sinceMs: nowMs, lastMs: nowMs, looks: 1 };
  return nowMs - before.lastMs < LOOKS_APART_MS ? before : { ...before, lastMs: nowMs, looks: before.looks + 1 };
}

/**
 * Hung: old enough, silent on several fresh connections for seconds, and without connections in either direction;
 * or silent for so long that only inbound connections count. `since` is its silence with this look.
 */
export function activityOfSilence(
  silence: Silence,
  ageMs: number | undefined,
  sockets: Sockets | undefined,
  since: SilentSince,
  nowMs: number,
): Activity {
  const unknown = (because: string, silent?: SilentSince): Activity => ({
    kind: 'unknown',
    because,
    ...(silent && { silent }),
  });
  if (silence.answered) return unknown('it answers slowly');
  if (!(ageMs !== undefined && ageMs >= SILENCE_COUNTS_AFTER_MS))
    return unknown('it does not answer yet, but is less than a minute old');
  if (!silence.onTime) return unknown('this machine is too busy to tell whether it answers');
  if (silence.probes < HUNG_PROBES || silence.spanMs < HUNG_SPAN_MS) return unknown('it did not answer');
  if (sockets === undefined) return unknown('it does not answer, and its connections cannot be seen');
  if (sockets.inbound.length > 0 || (sockets.outbound > 0 && !isLong(since, nowMs)))
    return unknown(`it does not answer, but has connections${soFar(since, nowMs)}`, since);
  if (silence.isPartial && !isLong(since, nowMs))
    return unknown(`it answers, but not whether it is busy${soFar(since, nowMs)}`, since);
  if (isLong(since, nowMs)) {
    const because = `silent for ${duration(nowMs - since.sinceMs)}, over ${count(since.looks, 'look')}`;
    return { kind: 'hung', because, ...long(since) };
  }
  return {
    kind: 'hung',
    because: `no answer on ${silence.probes} connections in ${Math.round(silence.spanMs / 1000)} s`,
  };
}

const isLong = ({ sinceMs, looks }: SilentSince, nowMs: number): boolean =>
  nowMs - sinceMs >= LONG_SILENCE_MS && looks >= LONG_SILENCE_LOOKS;

const long = (silent: SilentSince) => ({ whateverOutbound: true, silent });

/** Only if there was more than this look. */
function soFar({ sinceMs, looks }: SilentSince, nowMs: number): string {
  if (nowMs === sinceMs) return '';
  const until = `${duration(LONG_SILENCE_MS)} over ${LONG_SILENCE_LOOKS} looks`;
  return `; silent for ${duration(nowMs - sinceMs)} over ${count(looks, 'look')}; counts as hung after ${until}`;
}

/** A server that now has connections is not known to hang, no matter how long it was silent. */
export function activityNow(activity: Activity, sockets: Sockets | undefined): Activity {
  if (activity.kind !== 'hung') return activity;
  if (sockets === undefined) return { kind: 'unknown', because: 'its connections cannot be seen' };
  const outbound = activity.whateverOutbound ? 0 : sockets.outbound;
  return sockets.inbound.length + outbound > 0
    ? { kind: 'unknown', because: 'it does not answer, but has connections' }
    : activity;
}

/** Where to ask a server that listens on `host`; undefined for an address that does not belong to this machine. */
export function loopbackOf(host: string): string | undefined {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (/^127(\.\d{1,3}){3}$/.test(host)) return host;
  return /^[0:]*:(0*[01])?$/.test(host) ? '::1' : undefined;
}

/** What can be said without asking, because there is no socket to ask through; undefined when it listens. */
export function activityWithoutListener(
  ageMs: number | undefined,
  sockets: Sockets | undefined,
  since: SilentSince,
  nowMs: number,
): Activity | undefined {
  if (sockets === undefined) return { kind: 'unknown', because: 'its sockets cannot be seen' };
  if (sockets.listening.length > 0) return undefined;
  if (!(ageMs !== undefined && ageMs >= LISTENING_ON_NOTHING_COUNTS_AFTER_MS)) {
    return { kind: 'unknown', because: 'it is not listening yet' };
  }
  if (sockets.inbound.length > 0 || (sockets.outbound > 0 && !isLong(since, nowMs)))
    return {
      kind: 'unknown',
      because: `it is not listening, but has connections${soFar(since, nowMs)}`,
      silent: since,
    };
  return { kind: 'hung', because: 'it is still not listening on any port', ...(sockets.outbound > 0 && long(since)) };
}
