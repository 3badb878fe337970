/** A row of /proc/net/tcp. Addresses are in host order, IPv4 ones mapped into IPv6 written as IPv4. */
export interface Row {
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  readonly state: 'listen' | 'established' | 'other';
  /** Of a connection that was closed within the last minute; 0 when it is opening or closing now. */
  readonly endedMsAgo: number | undefined;
  readonly uid: number;
  readonly inode: string;
}

const TIME_WAIT = '06';
/** TCP_TIMEWAIT_LEN, which no setting changes. */
const TIME_WAIT_MS = 60_000;
const TICK_MS = 10;

/**
 * As include/net/tcp_states.h numbers them: SYN_SENT, SYN_RECV and NEW_SYN_RECV are opening; FIN_WAIT1, FIN_WAIT2,
 * LAST_ACK and CLOSING are closing, for a minute at most. CLOSE_WAIT (08) is neither: a server that hangs keeps what its
 * clients have closed in it forever.
 */
const PASSING = /^(02|03|0C|04|05|09|0B)$/;

/** A row in TIME_WAIT has a timer that runs out with it, in ticks: `03:00001770` has all of its minute left. */
function endedMsAgo(state: string, timer = ''): number | undefined {
  if (PASSING.test(state)) return 0;
  if (state !== TIME_WAIT) return undefined;
  const left = Number.parseInt(timer.split(':')[1] ?? '', 16) * TICK_MS;
  return Math.max(0, TIME_WAIT_MS - left) || 0;
}

export function parseTcp(text: string): Row[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', remote = '', state = '', , timer, , uid, , inode] = line.trim().split(/\s+/);
      if (inode === undefined) return [];
      const [localHost, localPort] = parseAddress(local);
      const [remoteHost, remotePort] = parseAddress(remote);
      const named = state === '0A' ? 'listen' : state === '01' ? 'established' : 'other';
      const ends = { local: localHost, localPort, remote: remoteHost, remotePort };
      return [{ ...ends, state: named, endedMsAgo: endedMsAgo(state, timer), uid: Number(uid), inode } as const];
    });
}

/** `0100007F:1000`: each 32-bit word in the byte order of the machine, which is little-endian wherever Node runs. */
function parseAddress(text: string): [host: string, port: number] {
  const [hex = '', port = ''] = text.split(':');
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const mapped = bytes.length === 16 && bytes.slice(0, 12).join('') === `${'00'.repeat(10)}ffff`.toUpperCase();
  const v4 = bytes.length === 4 ? bytes : mapped ? bytes.slice(12) : undefined;
  const host = v4
    ? v4.map((byte) => Number.parseInt(byte, 16)).join('.')
    : (bytes.join('').match(/.{4}/g) ?? []).join(':');
  return [host, Number.parseInt(port, 16)];
}
