import type { Process } from '../../src/model/process.js';
import { type Change, environmentHidden, recordedOn, says, seen, shown, shownOn, unread, written } from './changes.js';
import type { Situation } from './given.js';
import type { Named } from './spoils.js';

const FIELDS = ['startToken', 'owner', 'command', 'group', 'session', 'terminal', 'ageMs', 'memoryBytes'] as const;
const MACHINE = ['id', 'boot', 'pidNamespace'] as const;

/** Every single thing that this world knows, as a world that knows all but that. */
export const forgetting = (given: Situation): Named[] => [
  ...[...(given.snapshot.processes?.values() ?? [])].flatMap(ofProcess),
  ...[...given.snapshot.environments.keys()].map(
    (pid): Named => [`the environment of process ${pid}`, environmentHidden(pid)],
  ),
  ...MACHINE.flatMap((field): Named[] => [
    [`the ${field} of this machine`, shownOn({ [field]: undefined })],
    [`the ${field} of the record's machine`, recordedOn({ [field]: undefined })],
    [`the ${field} of the leases' machines`, leasedOn(field)],
  ]),
  ['where the leases were written', leases({ machine: undefined })],
  ['who holds the leases', leases({ holder: undefined })],
  ['the user of this run', shown({ owner: undefined })],
  ['the processes', shown({ processes: undefined })],
  ['the sockets', shown({ sockets: new Map() })],
  ['where standard inputs lead', shown({ inputs: new Map() })],
  ['what a lease says', unread('lease')],
  ['what a keep mark says', unread('keep')],
  ['what it answered', says({ kind: 'unknown', because: 'x' })],
  ['whether it answers', says({ kind: 'silent' })],
  ['to ask it', says({ kind: 'not asked' })],
];

const ofProcess = ({ pid }: Process): Named[] =>
  FIELDS.map((field) => [`the ${field} of process ${pid}`, seen(pid, { [field]: undefined })]);

const leases =
  (change: Partial<Situation['written']['leases'][number]>): Change =>
  (given) =>
    written({ leases: given.written.leases.map((lease) => ({ ...lease, ...change })) })(given);

const leasedOn =
  (field: (typeof MACHINE)[number]): Change =>
  (given) =>
    written({
      leases: given.written.leases.map((lease) => ({
        ...lease,
        machine: lease.machine && { ...lease.machine, [field]: undefined },
      })),
    })(given);
