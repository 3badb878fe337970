import { compare, type Host, MACOS_PIDS, type StartTokens } from '../model/identity.js';
import { lstartSeconds } from '../model/lstart.js';

/*
 * What Claude Code's own list of sessions says of a process, in this platform's terms (seen in 2.1.330, undocumented).
 */

/**
 * `procStart`, as a start token: the tick of proc(5) on Linux, `LC_ALL=C TZ=UTC ps -o lstart=` on macOS,
 * 100 ns since 1601 on Windows. Undefined for
 * anything else; then a Claude with that pid is the one that is meant, which spares.
 */
export function tokenOfProcStart(value: unknown, form: StartTokens): string | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  // In 100 ns, which as a number has been rounded.
  if (form === 'microseconds')
    return typeof value === 'string' && /^\d{17,19}$/.test(value) ? value.slice(0, -1) : undefined;
  if (form === 'ticks') return /^\d+$/.test(text) ? text : undefined;
  return form === 'seconds' ? lstartSeconds(text)?.toString() : undefined;
}

/**
 * Whether the pids of an entry are certainly not ours: a config folder may be shared with containers, virtual machines
 * and other machines. `pidDomain` is `linux:<machine id>:<pid namespace>`, either of which may be missing, else the name
 * of the platform; on Windows the host follows, which changes and so says nothing. An entry without one, or with another
 * form of it, may be of this machine.
 */
export function isOfOtherPids(domain: unknown, { id, pidNamespace }: Host): boolean {
  if (typeof domain !== 'string') return false;
  const linux = /^linux:([^:]*):(.*)$/.exec(domain);
  if (linux === null) return domain === MACOS_PIDS && compare(domain, pidNamespace) === 'different';
  const [, machine = '', namespace = ''] = linux;
  return pidNamespace === MACOS_PIDS || differs(MACHINE_ID, machine, id) || differs(NAMESPACE, namespace, pidNamespace);
}

/** As systemd writes it; a client that cannot read it may have something else. */
const MACHINE_ID = /^[0-9a-f]{32}$/;
const NAMESPACE = /^pid:\[\d+\]$/;

/** Only if both are of the form that can be compared. */
const differs = (form: RegExp, theirs: string, ours: string | undefined): boolean =>
  ours !== undefined && form.test(theirs) && form.test(ours) && theirs !== ours;
