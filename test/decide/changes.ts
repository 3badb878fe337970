import type { Activity } from '../../src/decide/activity.js';
import type { Identity } from '../../src/model/identity.js';
import type { Registration } from '../../src/model/owner.js';
import type { Environment, Process, Sockets } from '../../src/model/process.js';
import type { KeepMark, Lease, ServerRecord, Witness } from '../../src/model/record.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import type { Unread } from '../../src/model/written.js';
import { environment, lease, registration, type Situation, sockets, witness } from './given.js';

/** One difference in the world. */
export type Change = (given: Situation) => Situation;

export const but = (given: Situation, ...changes: readonly Change[]): Situation =>
  changes.reduce((so, change) => change(so), given);

export const every =
  (...changes: readonly Change[]): Change =>
  (given) =>
    but(given, ...changes);

export const recorded =
  (change: Partial<ServerRecord>): Change =>
  (given) => ({ ...given, record: { ...given.record, ...change } });

export const recordedOn = (change: Partial<NonNullable<ServerRecord['machine']>>): Change => {
  return (given) => {
    const { machine } = given.record;
    return machine ? recorded({ machine: { ...machine, ...change } })(given) : given;
  };
};

export const shown =
  (change: Partial<Snapshot>): Change =>
  (given) => ({ ...given, snapshot: { ...given.snapshot, ...change } });

export const shownOn =
  (change: Partial<Snapshot['machine']>): Change =>
  (given) =>
    shown({ machine: { ...given.snapshot.machine, ...change } })(given);

/** Nothing changes for a process that is not there. */
export const seen =
  (pid: number, change: Partial<Process>): Change =>
  (given) => {
    const found = given.snapshot.processes?.get(pid);
    return found ? running({ ...found, ...change })(given) : given;
  };

export const running =
  (...processes: readonly Process[]): Change =>
  (given) => {
    const table = given.snapshot.processes;
    return table
      ? shown({ processes: new Map([...table, ...processes.map((one) => [one.pid, one] as const)]) })(given)
      : given;
  };

export const ended =
  (...pids: readonly number[]): Change =>
  (given) => {
    const table = given.snapshot.processes;
    return table ? shown({ processes: new Map([...table].filter(([pid]) => !pids.includes(pid))) })(given) : given;
  };

/** Whether these processes wait for others, which is looked at where they have a session or group of their own. */
export const listening =
  (listens: boolean, ...pids: readonly number[]): Change =>
  (given) =>
    shown({ listens: new Map([...given.snapshot.listens, ...pids.map((pid) => [pid, listens] as const)]) })(given);

export const spawnedWith =
  (pid: number, change: Partial<Environment>): Change =>
  (given) => {
    const before = given.snapshot.environments.get(pid) ?? environment;
    return shown({ environments: new Map([...given.snapshot.environments, [pid, { ...before, ...change }]]) })(given);
  };

export const environmentHidden =
  (...pids: readonly number[]): Change =>
  (given) =>
    shown({ environments: new Map([...given.snapshot.environments].filter(([pid]) => !pids.includes(pid))) })(given);

export const connected =
  (change: Partial<Sockets>): Change =>
  (given) => {
    const before = given.snapshot.sockets.get(given.record.id) ?? sockets;
    return shown({ sockets: new Map([[given.record.id, { ...before, ...change }]]) })(given);
  };

const CLIENT_PORT = 50_000;

export const client = (clientPid: number | undefined): Change =>
  connected({ inbound: [{ port: 4096, clientPid, clientPort: CLIENT_PORT }] });

/** A question of this run is what the connection is. */
export const asking: Change = shown({ questions: new Set([CLIENT_PORT]) });

export const written =
  (change: Partial<Situation['written']>): Change =>
  (given) => ({ ...given, written: { ...given.written, ...change } });

export const leased =
  (change: Partial<Lease>): Change =>
  (given) =>
    written({ leases: [...given.written.leases, { ...lease, ...change }] })(given);

export const witnessed =
  (change: Partial<Witness>): Change =>
  (given) =>
    written({ witnesses: [...given.written.witnesses, { ...witness, ...change }] })(given);

/** A mark as older versions wrote it, unless it says more. */
export const keptAs = (id: string, change: Partial<KeepMark> = {}): Change =>
  written({ kept: [{ file: `/state/keep/${id}.json`, id, processes: [], machine: undefined, ...change }] });

/** Another run of this program that the process with this pid says it is. */
export const announced = (holder: Identity): Change =>
  written({ runs: [{ file: '/state/runs/run.json', holder, machine: undefined }] });

/** What another program wrote down: OpenChamber, unless it says more, by a process that lives. */
export const registered = (change: Partial<Registration>): Change =>
  written({ registrations: [{ ...registration, ...change }] });

export const unread =
  (kind: Unread['kind'], modifiedAt?: number): Change =>
  (given) =>
    written({ unread: [...given.written.unread, { file: '/state/file.json', error: 'EACCES', kind, modifiedAt }] })(
      given,
    );

export const says =
  (activity: Activity): Change =>
  (given) => ({ ...given, activity });
