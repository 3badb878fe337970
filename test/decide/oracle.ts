import type { Activity } from '../../src/decide/activity.js';
import type { Policy } from '../../src/decide/guards.js';
import type { Host, Identity } from '../../src/model/identity.js';
import type { Registration } from '../../src/model/owner.js';
import type { Process, Sockets } from '../../src/model/process.js';
import type { KeepMark, Lease, ServerRecord, Use } from '../../src/model/record.js';
import type { Place, Snapshot } from '../../src/model/snapshot.js';
import type { Written } from '../../src/model/written.js';
import { asRecord, type Births, opinionOfBorn, pairsIn } from './oracle-born.js';
import { type Suspect, suspectsOf } from './oracle-suspects.js';

/*
 * A second opinion, written from docs/deciding.md, docs/state-files.md and docs/stopping.md. It shares types with the
 * program, and no function, so that a mistake has to be made twice to go unseen. It does not say why, nor does it say
 * what the pages leave open: there it allows more than one verdict. What it never allows is to stop or to call gone
 * what the pages protect.
 */

export interface Facts {
  /** Every record about the server, the one that is judged by first. */
  readonly records: readonly ServerRecord[];
  readonly written: Written;
  readonly snapshot: Snapshot;
  readonly sockets: Sockets | undefined;
  readonly activity: Activity;
  readonly policy: Policy;
  /** Of a server that is in no file. */
  readonly births?: Births;
}

/** `none` where there is nothing to judge. */
export type Kind = 'stale' | 'spared' | 'unsure' | 'gone' | 'none';

export interface Opinion {
  readonly kinds: ReadonlySet<Kind>;
  /** The processes that may be the target, if it is stale. */
  readonly targets: ReadonlySet<number>;
}

/** `either` where the pages let the program choose. */
export type Answer = 'yes' | 'no' | 'unknown';
/** What one question does to a server: nothing, a veto, a doubt; or one of several where the pages leave a choice. */
export type Says = 'fine' | 'veto' | 'doubt' | 'veto or doubt' | 'fine or veto' | 'fine or doubt';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/**
 * Several plugins may have recorded the same server. It is judged once, by the record with the strongest proof, and each
 * of them can spare it. Which record that is, is open here, and so is whether one that leads nowhere certain belongs.
 */
export function opinionOf(facts: Facts): Opinion {
  if (facts.births) return opinionOfBorn(facts);
  const [main, ...others] = facts.records;
  if (main === undefined) throw new Error('nothing to judge');
  if (others.length === 0) return opinionOfOne(facts);
  const its = pidsOf(main, facts);
  const near = others.map((other) => ({ other, pids: pidsOf(other, facts) }));
  const real = (pids: ReadonlySet<number>): number[] => [...pids].filter((pid) => pid !== 0);
  const isAlike = (pids: ReadonlySet<number>): boolean =>
    real(pids).length > 0 && real(pids).every((pid) => its.has(pid));
  // Of several servers that were started together, another port means another one.
  const hasOtherPort = ({ port }: ServerRecord): boolean => port !== undefined && port !== main.port && its.size > 1;
  const alike = near.filter(({ pids, other }) => isAlike(pids) && !hasOtherPort(other));
  const doubtful = near.filter(
    (one) => !alike.includes(one) && (one.pids.has(0) || its.has(0) || real(one.pids).some((pid) => its.has(pid))),
  );
  // Where the server may be a process or one below it, a record of the one below says nothing if it is the other.
  const isAboutAny = ({ pids }: { readonly pids: ReadonlySet<number> }): boolean =>
    suspectsOf(main, facts.snapshot, facts.sockets).suspects.every(
      (one) => one.process === undefined || real(pids).some((pid) => pidsAs(one, facts).has(pid)),
    );
  const ofOne = alike.filter((one) => !isAboutAny(one));
  const isOfOne = (suspect: Suspect): boolean =>
    ofOne.some(({ pids }) => [...pidsAs(suspect, facts)].some((pid) => pids.has(pid)));
  const under = (known: typeof near, counts: (suspect: Suspect) => boolean): Opinion[] => {
    const group = [main, ...known.map(({ other }) => other)];
    return group.map((first) =>
      opinionOfOne({ ...facts, records: [first, ...group.filter((one) => one !== first)] }, counts),
    );
  };
  const both = (known: typeof near): Opinion[] => [
    ...under(known, (suspect) => ofOne.length === 0 || isOfOne(suspect)),
    ...(ofOne.length === 0
      ? []
      : under(
          known.filter((one) => !ofOne.includes(one)),
          (suspect) => !isOfOne(suspect),
        )),
  ];
  return united([...both(alike), ...(doubtful.length > 0 ? both([...alike, ...doubtful]) : [])]);
}

export const united = (opinions: readonly Opinion[]): Opinion => ({
  kinds: new Set(opinions.flatMap(({ kinds }) => [...kinds])),
  targets: new Set(opinions.flatMap(({ targets }) => [...targets])),
});

/** The processes that a record may be about; 0 stands for one that cannot be told. */
export function pidsOf(record: ServerRecord, { snapshot, sockets }: Facts): ReadonlySet<number> {
  const { suspects } = suspectsOf(record, snapshot, sockets);
  return new Set(suspects.flatMap((suspect) => [...pidsAs(suspect, { snapshot })]));
}

/** What listens itself launches nothing. */
function pidsAs({ process: one, launcher }: Suspect, { snapshot }: Pick<Facts, 'snapshot'>): ReadonlySet<number> {
  return new Set([one?.pid ?? 0, ...(launcher && !snapshot.listens.get(launcher.pid) ? [launcher.pid] : [])]);
}

function opinionOfOne(facts: Facts, counts: (suspect: Suspect) => boolean = () => true): Opinion {
  const [record] = facts.records;
  if (record === undefined) throw new Error('nothing to judge');
  const where = whereIs(record, facts.snapshot);
  if (where === 'earlier boot') return { kinds: new Set(['gone']), targets: new Set() };
  if (where === 'elsewhere') return { kinds: new Set(['spared']), targets: new Set() };
  const { suspects, ended } = suspectsOf(record, facts.snapshot, facts.sockets);
  const kinds = new Set<Kind>();
  const targets = new Set<number>();
  if (ended !== 'no') kinds.add(where === 'here' ? 'gone' : 'unsure');
  // Where it cannot be told whether the record is this machine's, its server may live elsewhere.
  if (ended === 'may be' || (ended === 'yes' && where === 'unknown')) kinds.add('unsure').add('spared');
  for (const suspect of suspects.filter(counts)) {
    const found = kindsOf([...questions(suspect, facts), ...(where === 'unknown' ? (['doubt'] as const) : [])]);
    for (const kind of found) kinds.add(kind);
    if (found.includes('stale') && suspect.process) targets.add(suspect.process.pid);
  }
  return { kinds, targets };
}

/** The processes that a person may stop by naming the server: whatever it is doing, but only if it is the one, and here. */
export function stoppableByName({ births, ...facts }: Facts): ReadonlySet<number> {
  const unrecorded = births
    ? pairsIn(facts.snapshot).map((pair) => asRecord(pair, births.workspace, facts.snapshot))
    : [];
  const all = { ...facts, records: [...facts.records, ...unrecorded] };
  return stoppable(all);
}

function stoppable(facts: Facts): ReadonlySet<number> {
  const found = facts.records.filter((record) => whereIs(record, facts.snapshot) === 'here');
  const suspects = found.flatMap((record) => suspectsOf(record, facts.snapshot, facts.sockets).suspects);
  const isProven = ({ says }: Suspect): boolean => kindsOf(says).includes('stale');
  return new Set(
    suspects.filter(isProven).flatMap(({ process: one }) => (one?.startToken === undefined ? [] : [one.pid])),
  );
}

/** Whether stopping.md lets a process be signaled when this server is stopped. */
export function mayEndWith(
  one: Process,
  { server, launcher }: { server: Process; launcher: Process | undefined },
  { records, snapshot }: Facts,
): boolean {
  if (one.pid <= 1 || one.startToken === undefined || snapshot.lineage.has(one.pid)) return false;
  if (one === server || one === launcher) return true;
  const { environments, listens, named } = snapshot;
  const below = everythingBelow(server, snapshot);
  const isLaunching = everythingBelow(one, snapshot).includes(server) && launcher !== undefined;
  if (isLaunching) return everythingBelow(launcher, snapshot).includes(one);
  const environment = environments.get(one.pid);
  const roots = [server, ...(launcher ? [launcher] : [])];
  // What does not descend from it is its own only if it carries OpenCode's mark with its pid.
  const isBelow = roots.some((root) => everythingBelow(root, snapshot).includes(one));
  const marked = [...(snapshot.processes?.values() ?? [])].filter(
    ({ pid }) => environments.get(pid)?.opencodePid === String(server.pid),
  );
  if (!isBelow && !marked.some((root) => root === one || everythingBelow(root, snapshot).includes(one))) return false;
  if (one.command?.kind === 'serve' || (environment?.keep && !environments.get(server.pid)?.keep)) return false;
  const tag = environment?.tag;
  if (tag !== undefined && tag !== environments.get(server.pid)?.tag && records.every((record) => record.tag !== tag))
    return false;
  if (named.some((who) => who.pid === one.pid && who.startToken === one.startToken)) return false;
  const isApart = server.session !== undefined && (one.session !== server.session || one.group !== server.group);
  const mcp = [one, ...pathUp(one, snapshot)].find(({ parent }) => parent === server.pid);
  const isMcps = mcp !== undefined && mcp.session === mcp.pid && one.session === mcp.session && one.group === mcp.group;
  if (isApart && !isMcps && listens.get(one.pid) === true) return false;
  if (server.command?.kind === 'serve' && server.command.interpreted) return true;
  // An MCP server of OpenCode 2 is unmarked as well, and is known by its session.
  const before = below.filter(
    (child) => child.parent === server.pid && child.session !== child.pid && isUnmarked(child, server, snapshot),
  );
  return !before.some((child) => child === one || everythingBelow(child, snapshot).includes(one));
}

export function kindsOf(said: readonly Says[]): Kind[] {
  if (said.includes('veto')) return ['spared'];
  const kinds: Kind[] = [];
  if (said.some((one) => one.includes('veto'))) kinds.push('spared');
  const doubts = said.some((one) => one === 'doubt' || one === 'veto or doubt');
  if (doubts || said.some((one) => one.includes('doubt'))) kinds.push('unsure');
  return doubts ? kinds : [...kinds, 'stale'];
}

/** `local`: machine, boot and pid namespace. A record that does not say rests on its identity. */
function whereIs(
  { machine }: ServerRecord,
  { machine: here }: Snapshot,
): 'here' | 'elsewhere' | 'earlier boot' | 'unknown' {
  if (machine === undefined) return 'here';
  const differs = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && a !== b;
  if (differs(machine.id, here.id)) return 'elsewhere';
  if (differs(machine.boot, here.boot))
    return machine.id === undefined || here.id === undefined ? 'elsewhere' : 'earlier boot';
  if (differs(machine.pidNamespace, here.pidNamespace)) return 'elsewhere';
  if (machine.boot === undefined || here.boot === undefined) return 'unknown';
  return machine.pidNamespace === undefined || here.pidNamespace === undefined ? 'unknown' : 'here';
}

/** Every question of deciding.md about one process that may be the server. */
export function questions(suspect: Suspect, facts: Facts): Says[] {
  const { process: server } = suspect;
  // Where no process is known, it is left alone; which questions still have an answer is open.
  if (server?.startToken === undefined) return ['veto or doubt'];
  return [
    ...aboutTheRecord(facts),
    ...suspect.says,
    ...aboutTheProcess(server, suspect, facts),
    ...aboutItsOwner(server, suspect, facts),
    ...clouded(aboutSessions(server, suspect, facts)),
    ...aboutUse(server, suspect, facts),
    ...aboutKeeping(server, suspect, facts),
  ];
}

function aboutTheRecord({ records, written, snapshot, sockets }: Facts): Says[] {
  const [record] = records;
  if (record === undefined) return ['veto'];
  const said: Says[] = [];
  const all = records.map(({ ownership }) => ownership);
  if (record.ownership === 'unrecorded' || record.ownership === 'withdrawn') said.push('veto');
  // A person's word outranks what plugins say about the start.
  if (record.ownership !== 'adopted' && (all.includes('user') || all.includes('unmarked'))) said.push('veto');
  if (record.trust.kind === 'untrusted') said.push('veto');
  if (record.trust.kind === 'unexamined') said.push('doubt');
  const ports = [...records.flatMap(({ port }) => port ?? []), ...(sockets?.listening.map(({ port }) => port) ?? [])];
  for (const { kind, mentions, modifiedAt } of written.unread) {
    if ((kind !== 'server' && kind !== 'native') || beforeBoot(modifiedAt, snapshot)) continue;
    const pids = [...records.flatMap(({ spawned, server }) => [spawned?.pid ?? 0, server?.pid ?? 0])];
    const isNamed = [...pids, ...ports].some((number) => mentions?.has(number));
    if (mentions === undefined) {
      // One of ours may be about any server that no other record of ours is about.
      if (kind === 'server' || record.source.format !== 'native') said.push('doubt');
    } else if (isNamed) said.push('fine or doubt');
  }
  return said;
}

/** A file that was last written before this boot speaks of nothing that runs now. */
function beforeBoot(modifiedAt: number | undefined, { at, bootMs, setForwardMs }: Snapshot): boolean {
  if (modifiedAt === undefined || bootMs === undefined) return false;
  // By the clock as it was then.
  if (setForwardMs !== undefined) return modifiedAt + setForwardMs < at - bootMs - 5 * MINUTE;
  // A clock may be set right by minutes just after the boot.
  return modifiedAt < at - bootMs - 5 * MINUTE;
}

function aboutTheProcess(
  server: Process,
  { launcher }: Suspect,
  { records, written, policy, snapshot, sockets }: Facts,
): Says[] {
  const said: Says[] = [];
  const { command, ageMs } = server;
  if (command?.kind === 'serve' && command.sharedDaemon) said.push('veto');
  if (!(ageMs !== undefined && ageMs >= 0)) said.push('doubt');
  else if (ageMs < policy.olderThanMs) said.push('veto');
  const numbers = [server.pid, launcher?.pid ?? 0, ...portsOf(server, launcher, { records, snapshot, sockets })];
  // A server record that does not parse makes every server unsure whose pid or port it mentions.
  const isMeant = written.unread.some(
    ({ kind, mentions, modifiedAt }) =>
      (kind === 'server' || kind === 'native') &&
      !beforeBoot(modifiedAt, snapshot) &&
      mentions !== undefined &&
      numbers.some((number) => mentions.has(number)),
  );
  if (isMeant) said.push('doubt');
  return said;
}

/** The recorded ports, those that its own processes listen on, and those of their command lines. */
/** Whose a server is: a live owner other than a plugin spares it, but a person who has handed it over outranks all. */
function aboutItsOwner(server: Process, { launcher }: Suspect, { records, written, snapshot }: Facts): Says[] {
  const said: Says[] = [];
  if (records[0]?.ownership === 'adopted') return said;
  const top = launcher ?? server;
  for (const one of written.registrations ?? []) said.push(...registered(one, server, launcher, snapshot));
  const { marks, inOpencode, opencodePid } = snapshot.environments.get(server.pid) ?? {};
  const isInside = inOpencode || opencodePid !== undefined;
  const ade = marks?.adePid === undefined ? undefined : snapshot.processes?.get(marks.adePid);
  if (marks?.kimaki && !isInside) said.push('veto');
  if (marks?.ade && !isInside && marks.adePid === undefined) said.push('veto');
  if (marks?.ade && !isInside && ade) said.push('fine or veto');
  const above = pathUp(top, snapshot);
  const claude = above.findIndex((one) => one.claude !== undefined);
  const app = above.findIndex(({ name }) => name === 'code' || name.startsWith('tmux'));
  if (app >= 0 && (claude < 0 || app < claude)) said.push('veto');
  else if (app >= 0) said.push('fine or veto');
  if (server.terminal) said.push('veto');
  const shows = snapshot.processes?.get(snapshot.self)?.terminal !== undefined;
  if (server.terminal === undefined && shows) said.push('doubt');
  return clouded(said);
}

/** Another program's list counts while its own process lives; what seems to be younger than the list may be it. */
function registered(
  { pid, holders, seenAt, doubt }: Registration,
  server: Process,
  launcher: Process | undefined,
  snapshot: Snapshot,
): Says[] {
  const its = [server, launcher].find((one) => one !== undefined && one.pid === pid);
  if (its === undefined) return [];
  const isTheirs = holders.some((holder) => snapshot.processes?.get(holder)?.owner !== snapshot.owner);
  const there = holders.flatMap((holder) => snapshot.processes?.get(holder) ?? []);
  const isSure = there.some((one) => wasThere(one, seenAt, snapshot) === 'yes');
  const isOld = doubt !== undefined && wasThere(its, seenAt, snapshot) === 'no';
  if (isOld || there.length === 0) return doubt === undefined ? [] : ['fine or doubt'];
  // Whether a launcher is the server's is open.
  if (its !== server || isTheirs) return ['fine or veto', 'fine or doubt'];
  return doubt !== undefined || !isSure ? ['veto or doubt'] : ['veto'];
}

/** By when it started, against when something was written down. */
function wasThere(one: Process | undefined, when: number | undefined, { at }: Snapshot): Answer {
  if (one === undefined) return 'no';
  if (one.ageMs === undefined || when === undefined) return 'unknown';
  return at - one.ageMs <= when + 5_000 ? 'yes' : 'no';
}

export function pathUp(process: Process, { processes }: Snapshot): Process[] {
  const path: Process[] = [];
  for (let at = processes?.get(process.parent); at && !path.includes(at); at = processes?.get(at.parent)) path.push(at);
  return path;
}

function portsOf(
  server: Process,
  launcher: Process | undefined,
  { records, snapshot, sockets }: Pick<Facts, 'records' | 'snapshot' | 'sockets'>,
): number[] {
  const isLaunching = launcher !== undefined && !snapshot.listens.get(launcher.pid);
  const own = [server, ...(isLaunching ? [launcher] : [])].flatMap((one) => [one, ...everythingBelow(one, snapshot)]);
  const listening = sockets?.listening.filter((socket) => own.some(({ pid }) => pid === socket.pid)) ?? [];
  const told = [server, launcher].flatMap((one) => (one?.command?.kind === 'serve' ? (one.command.port ?? []) : []));
  return [...records.flatMap(({ port }) => port ?? []), ...listening.map(({ port }) => port), ...told];
}

function aboutSessions(server: Process, { launcher }: Suspect, { records, written, snapshot, sockets }: Facts): Says[] {
  const said: Says[] = [];
  const below = new Set(everythingBelow(server, snapshot).map(({ pid }) => pid as number));
  const ports = portsOf(server, launcher, { records, snapshot, sockets });
  const add = (covers: Answer, lives: Answer | 'either', holder: Identity | undefined): void => {
    if (covers === 'no' || lives === 'no') return;
    // A Claude that the server itself started, as an agent's tool, does not hold it.
    if (holder && below.has(holder.pid)) said.push(lives === 'yes' ? 'fine' : 'fine or doubt');
    else if (lives === 'either') said.push('fine or doubt');
    else said.push(covers === 'yes' && lives === 'yes' ? 'veto' : 'doubt');
  };
  // A session may use what was started in it, wherever it works by now.
  const wasBornIn = (session: string | undefined): boolean =>
    session !== undefined && records.some(({ birth }) => birth?.sessions.includes(session));
  for (const lease of written.leases) {
    if (wasBornIn(lease.session)) add('yes', leaseLives(lease, snapshot), lease.holder);
    add(isCovered(lease, records, ports, snapshot), leaseLives(lease, snapshot), lease.holder);
    // A plugin's record has the id of a process; with a launcher it is open which.
    const isOf = (one: Process | undefined, token = one?.startToken ?? ''): boolean =>
      one !== undefined && lease.servers.some((id) => id.startsWith(`${one.pid}-${token}`));
    if (records[0]?.source.format === 'native') continue;
    if (!launcher && isOf(server)) add('yes', leaseLives(lease, snapshot), lease.holder);
    else if (isOf(server, '') || isOf(launcher, '')) said.push('fine or veto', 'fine or doubt');
  }
  // As long as a Claude Code process is above a server, that session may use it, wherever it works.
  const above = pathUp(server, snapshot).filter((one) => one.claude === 'session' || one.claude === 'spare');
  if (above.length > 0) said.push(above.some(({ pid }) => below.has(pid)) ? 'fine or veto' : 'veto');
  // Plugins and Claude Code do not write down in which time namespace they were.
  const listed = written.witnesses.map((one) => ({
    ...one,
    holder: inOurTime(one.holder, undefined, snapshot.machine),
  }));
  // Where no directory of a process is shown, the lease of a session says where it works.
  const placed = new Set<number>(
    written.leases.flatMap((lease) =>
      lease.path !== undefined && leaseLives(lease, snapshot) === 'yes' ? (lease.holder?.pid ?? []) : [],
    ),
  );
  const seen = [...listed, ...snapshot.claudes].filter((one) => isSession(one.holder, snapshot));
  for (const { holder, path, session } of seen) {
    const isSeenElsewhere = seen.some((other) => other.holder.pid === holder.pid && other.path !== undefined);
    const isPlaced = isSeenElsewhere || (isOnWindows(snapshot) && placed.has(holder.pid));
    if (wasBornIn(session) && (path !== undefined || !isSeenElsewhere)) add('yes', 'yes', holder);
    if (path !== undefined) add(reaches(path, records, snapshot), 'yes', holder);
    else if (!isPlaced) add('unknown', 'yes', holder);
  }
  for (const use of written.uses.filter(({ kind }) => kind === 'lease'))
    add(isAbout(use, records, ports) || wasBornIn(use.session) ? 'yes' : 'no', useLives(use, snapshot), use.holder);
  if (written.unread.some(({ kind, modifiedAt }) => kind === 'lease' && !beforeBoot(modifiedAt, snapshot)))
    said.push('doubt');
  const [record] = records;
  const starter = record?.state === 'ready' ? undefined : record?.starter;
  if (starter && process(inOurTime(starter, record?.machine, snapshot.machine), snapshot) !== 'no') said.push('veto');
  return said;
}

/** A session that is listed, or was seen running: only the process that it names, or a Claude where that is hidden. */
function isSession(holder: Identity, snapshot: Snapshot): boolean {
  const now = snapshot.processes?.get(holder.pid);
  if (now === undefined) return false;
  if (holder.startToken !== undefined && now.startToken !== undefined) return holder.startToken === now.startToken;
  return now.claude === 'session' || now.claude === 'spare';
}

/** Whether exactly this process is there. */
function process(who: Identity, { processes }: Snapshot): Answer {
  if (processes === undefined) return 'unknown';
  const now = processes.get(who.pid);
  if (now === undefined) return 'no';
  if (now.startToken === undefined || who.startToken === undefined) return 'unknown';
  return now.startToken === who.startToken ? 'yes' : 'no';
}

function isCovered(
  lease: Lease,
  records: readonly ServerRecord[],
  ports: readonly number[],
  snapshot: Snapshot,
): Answer {
  const isNamed = lease.servers.some((id) =>
    records.some(
      (record) => record.id === id || (record.source.format !== 'native' && id.startsWith(`${record.spawned?.pid}-`)),
    ),
  );
  if (isNamed || (lease.port !== undefined && ports.includes(lease.port))) return 'yes';
  return lease.path === undefined ? 'no' : reaches(lease.path, records, snapshot);
}

/** Equal, containing, inside, or another worktree of the same repository; by hash where that is all that is known. */
function reaches(path: string, records: readonly ServerRecord[], { places }: Snapshot): Answer {
  const place = places.get(path);
  const hashes = records.flatMap(({ workspaceHash }) => workspaceHash ?? []);
  if (place && hashes.some((hash) => place.hashes.some((whole) => whole.startsWith(hash)))) return 'yes';
  const known = records.flatMap(({ workspace }) => workspace ?? []).map((workspace) => places.get(workspace));
  if (place && known.some((one) => one && meet(place, one))) return 'yes';
  if (place === undefined || known.length === 0 || known.includes(undefined)) return 'unknown';
  const silent = place.silent ?? [];
  const mayMeet = known.some((one) => one?.silent?.some((a) => silent.some((b) => inside(a, b) || inside(b, a))));
  return mayMeet || isOnNetwork(place) ? 'unknown' : 'no';
}

/** A folder on the network may be any folder. */
const isOnNetwork = ({ real }: Place): boolean => real.startsWith('\\\\');

/** Neither groups, sessions nor environments are shown there. */
export const isOnWindows = ({ showsGroups }: Snapshot): boolean => showsGroups === false;

const meet = (a: Place, b: Place): boolean =>
  inside(a.real, b.real) || inside(b.real, a.real) || (a.gitCommon !== undefined && a.gitCommon === b.gitCommon);

const inside = (inner: string, outer: string): boolean =>
  `${inner}/`.replace('//', '/').startsWith(`${outer}/`.replace('//', '/'));

/** A lease lives exactly as long as its holder; one that cannot be examined from here, for a day after its last sign. */
function leaseLives(lease: Lease, snapshot: Snapshot): Answer | 'either' {
  const { holder, machine, expiresAt, seenAt } = lease;
  if (holder === undefined) return (expiresAt ?? seenAt + DAY) < snapshot.at ? 'no' : 'unknown';
  const lives = livesOn(holder, machine, snapshot);
  if (lives !== 'unknown' || snapshot.at - seenAt <= DAY) return lives;
  const where = machine && hostIs(machine, snapshot.machine);
  // A process here whose start cannot be compared may be the one; whether the day counts for it is left open.
  return where === 'elsewhere' ? 'no' : 'either';
}

function hostIs(machine: Host, here: Host): 'here' | 'elsewhere' | 'earlier boot' | 'unknown' {
  const { boot, pidNamespace } = machine;
  const isSameBoot = boot !== undefined && boot === here.boot;
  if (!isSameBoot && (machine.id === undefined || here.id === undefined || machine.id !== here.id))
    return boot === undefined || here.boot === undefined ? 'unknown' : 'elsewhere';
  if (!isSameBoot) return boot === undefined || here.boot === undefined ? 'unknown' : 'earlier boot';
  if (pidNamespace === undefined || here.pidNamespace === undefined) return 'unknown';
  return pidNamespace === here.pidNamespace ? 'here' : 'elsewhere';
}

function livesOn(who: Identity, machine: Host | undefined, snapshot: Snapshot): Answer {
  if (snapshot.processes === undefined) return 'unknown';
  // Start tokens of another time namespace cannot be compared.
  const shared = (machine?.timeNamespace ?? INITIAL) === (snapshot.machine.timeNamespace ?? INITIAL);
  const exact = process(shared ? who : { ...who, startToken: undefined }, snapshot);
  if (machine === undefined) return exact === 'yes' ? 'yes' : 'unknown';
  const where = hostIs(machine, snapshot.machine);
  return where === 'earlier boot' ? 'no' : where === 'here' ? exact : 'unknown';
}

export const INITIAL = 'time:[4026531834]';

function isAbout({ covers }: Use, records: readonly ServerRecord[], ports: readonly number[]): boolean {
  switch (covers.kind) {
    case 'record':
      return records.some(({ source }) => source.file === covers.file);
    case 'workspace':
      return records.some(
        ({ source, workspaceHash }) => source.format === covers.format && workspaceHash === covers.hash,
      );
    case 'port':
      return ports.includes(covers.port);
    case 'plugins':
      return (
        covers.ports.some((port) => ports.includes(port)) ||
        records.some(({ source }) => covers.formats.includes(source.format))
      );
  }
}

/** A job's or a session's process, exactly or by when it started; without one, half an hour after its last sign. */
function useLives(use: Use, snapshot: Snapshot): Answer {
  const { seenAt, kind, countsForMs, modifiedAt } = use;
  const holder = use.holder && inOurTime(use.holder, undefined, snapshot.machine);
  const { at, processes } = snapshot;
  const doubtful = beforeBoot(modifiedAt, snapshot) ? 'no' : 'unknown';
  const isKnown = seenAt !== undefined && seenAt <= at + 5_000;
  if (holder === undefined) {
    if (!isKnown) return doubtful;
    if (at - seenAt >= countsForMs) return 'no';
    return kind === 'job' ? 'yes' : doubtful;
  }
  if (processes === undefined) return doubtful;
  const now = processes.get(holder.pid);
  if (now === undefined) return 'no';
  if (holder.startToken !== undefined) {
    const exact = process(holder, snapshot);
    return exact === 'unknown' ? doubtful : exact;
  }
  if (!isKnown || now.ageMs === undefined) return doubtful;
  if (at - now.ageMs <= seenAt + 5_000) return 'yes';
  // It may have been heard of before the clock was set forward.
  const latestSign = seenAt + (snapshot.setForwardMs ?? 0);
  return at - now.ageMs <= latestSign + 5_000 ? doubtful : 'no';
}

function aboutUse(server: Process, suspect: Suspect, facts: Facts): Says[] {
  const { records, written, snapshot, sockets, activity } = facts;
  const said: Says[] = [];
  if (snapshot.lineage.has(server.pid)) said.push('veto');
  const ports = portsOf(server, suspect.launcher, facts);
  for (const use of written.uses.filter((one) => one.kind === 'job' && isAbout(one, records, ports))) {
    const lives = useLives(use, snapshot);
    if (lives !== 'no') said.push(lives === 'yes' ? 'veto' : 'doubt');
  }
  if (written.unread.some(({ kind, modifiedAt }) => kind === 'use' && !beforeBoot(modifiedAt, snapshot)))
    said.push('doubt');
  said.push(...aboutConnections(server, suspect, facts), ...clouded(aboutProcessesBelow(server, facts)));
  const connections = sockets ? sockets.inbound.length + sockets.outbound : undefined;
  if (activity.kind === 'busy') said.push('veto');
  else if (activity.kind === 'hung') {
    const counted = activity.whateverOutbound ? sockets?.inbound.length : connections;
    if (counted !== 0) said.push('doubt');
  } else if (activity.kind !== 'idle') said.push('doubt');
  return said;
}

function aboutConnections(server: Process, { launcher }: Suspect, { snapshot, sockets }: Facts): Says[] {
  if (sockets === undefined) return ['doubt'];
  const own = new Set(everythingBelow(server, snapshot).map(({ pid }) => pid as number)).add(server.pid);
  if (launcher) own.add(launcher.pid);
  const said: Says[] = [];
  for (const { clientPid, clientPort } of sockets.inbound) {
    const isQuestion = clientPid === snapshot.self && clientPort !== undefined && snapshot.questions.has(clientPort);
    if (isQuestion) continue;
    if (clientPid === undefined || !own.has(clientPid)) said.push('veto');
    else said.push('fine or veto');
  }
  // Connections that ended before it started were of the port's previous holder; its starter's first is not a use.
  const since = (sockets.lately ?? []).filter((ms) => server.ageMs === undefined || ms <= server.ageMs);
  const isFirst = since.length === 1 && server.ageMs !== undefined && server.ageMs - (since[0] ?? 0) <= 2_000;
  if (since.length > 0) said.push(isFirst ? 'fine or veto' : 'veto');
  return said;
}

/** Of several things about one process, or one session, a doubt may hide what another one says. */
const clouded = (said: readonly Says[]): Says[] =>
  said.some((one) => one.includes('doubt')) ? said.map((one) => (one === 'veto' ? 'veto or doubt' : one)) : [...said];

/** An MCP server of OpenCode 2 has a session of its own and none of the marks of a tool. */
function mayBeMcp(one: Process, server: Process, { snapshot, activity }: Facts): boolean {
  const isFirst = activity.kind === 'idle' && !activity.isSecond;
  const head = [one, ...pathUp(one, snapshot)].find(({ parent }) => parent === server.pid);
  const its = head && snapshot.environments.get(head.pid);
  const own = snapshot.environments.get(server.pid);
  const isTools =
    its === undefined || its.inTerminal || its.inOpencode !== own?.inOpencode || its.opencodePid !== own?.opencodePid;
  const input = head && snapshot.inputs?.get(head.pid);
  const isSpokenTo = snapshot.inputs === undefined || input === 'pipe' || input === 'socket';
  return !isFirst && !isTools && isSpokenTo && head?.session === head?.pid && one.session === head?.session;
}

/** Nothing is in doubt about it: it has inherited all, has run for a while, and came a while after the server. */
function isPlainMcp(one: Process, server: Process, { snapshot, activity }: Facts): boolean {
  const [its, own] = [snapshot.environments.get(one.pid), snapshot.environments.get(server.pid)];
  const isLater = (server.ageMs ?? 0) - (one.ageMs ?? Number.POSITIVE_INFINITY) > 1_000 && (one.ageMs ?? 0) > 2_000;
  return (
    one.parent === server.pid &&
    activity.kind === 'idle' &&
    isLater &&
    its?.tag === own?.tag &&
    its?.password === own?.password &&
    its?.passwordOfSecond === own?.passwordOfSecond
  );
}

function aboutProcessesBelow(server: Process, facts: Facts): Says[] {
  const { snapshot, records } = facts;
  const said: Says[] = [];
  // What was left to init still says which server started it.
  const orphans = [...(snapshot.processes?.values() ?? [])].filter(
    ({ pid }) => pid !== server.pid && snapshot.environments.get(pid)?.opencodePid === String(server.pid),
  );
  const descending = everythingBelow(server, snapshot);
  const below = [...new Set([...descending, ...orphans])];

  const isHidden = [server, ...descending].some(({ session }) => session === undefined);
  const isUngrouped = [...(snapshot.processes?.values() ?? [])].some(({ group }) => group === undefined);
  if (!isOnWindows(snapshot) && (isHidden || isUngrouped)) said.push('doubt');
  // A terminal has a console of its own kind, and a tool looks like an MCP server.
  const consoles = descending.filter(({ parent, consoleHost }) => parent === server.pid && consoleHost !== undefined);
  if (consoles.some(({ consoleHost }) => consoleHost === 'terminal')) said.push('veto');
  if (consoles.some(({ consoleHost }) => consoleHost === 'unknown')) said.push('doubt');
  const unmarked = new Set(
    below
      .filter((one) => one.parent === server.pid && isUnmarked(one, server, snapshot))
      .flatMap((one) => [one, ...everythingBelow(one, snapshot)]),
  );
  for (const one of below) {
    const environment = snapshot.environments.get(one.pid);
    // What a shell had started before it became the server carries no mark of OpenCode, and stays.
    const isMarked = !unmarked.has(one) && descending.includes(one);
    const apart: Says = isMarked ? 'veto' : 'fine or veto';
    if (
      descending.includes(one) &&
      one.session !== undefined &&
      server.session !== undefined &&
      one.session !== server.session
    )
      said.push(!mayBeMcp(one, server, facts) ? 'veto' : isPlainMcp(one, server, facts) ? 'fine' : 'fine or veto');
    // What leads a session has one of its own, also where the server's cannot be read.
    if (server.session === undefined && one.session === one.pid && descending.includes(one)) said.push('fine or veto');
    if (one.command?.kind === 'serve') said.push(apart);
    const isNamed = snapshot.named.map((named) => process(named, snapshot)).length > 0;
    if (isNamed) {
      const same = snapshot.named.filter(({ pid }) => pid === one.pid).map((named) => process(named, snapshot));
      if (same.includes('yes')) said.push(apart);
      else if (same.includes('unknown')) said.push('fine or doubt');
    }
    const tag = environment?.tag;
    const isOwn = tag === undefined || tag === snapshot.environments.get(server.pid)?.tag || tag === records[0]?.tag;
    if (!isOwn) said.push(apart);
    if (environment?.keep) said.push(snapshot.environments.get(server.pid)?.keep ? 'fine or veto' : apart);
    if (one.command === undefined || (one.command.kind === 'opencode' && environment === undefined))
      said.push(isMarked ? 'doubt' : 'fine or doubt');
    if (isOnWindows(snapshot) && mayServeOthers(one, server, snapshot)) said.push(isMarked ? 'doubt' : 'fine or doubt');
    const isBeside = one.session !== server.session || one.group !== server.group;
    if (one.group === undefined && snapshot.listens.get(one.pid)) said.push('fine or veto');
    if (mayBeMcp(one, server, facts) && snapshot.listens.get(one.pid) !== false)
      said.push('fine or veto', 'fine or doubt');
    if (isBeside && one.session === server.session) {
      const listens = snapshot.listens.get(one.pid);
      if (listens === true) said.push(apart);
      if (listens === undefined) said.push(isMarked ? 'doubt' : 'fine or doubt');
    }
  }
  return said;
}

/** What listens further below than the server's own children, or than what a shell of its own runs. */
function mayServeOthers(one: Process, server: Process, snapshot: Snapshot): boolean {
  const above = pathUp(one, snapshot);
  const between = above.slice(0, Math.max(0, above.indexOf(server)));
  return (
    snapshot.listens.get(one.pid) !== false && between.some(({ name }) => !/^(ba|da|z|fi)?sh$|^cmd\.exe$/.test(name))
  );
}

function isUnmarked({ pid }: Process, server: Process, { environments }: Snapshot): boolean {
  const environment = environments.get(pid);
  if (environment === undefined) return false;
  if (environment.inTerminal && !environments.get(server.pid)?.inTerminal) return false;
  return environment.opencodePid === undefined
    ? !environment.inOpencode
    : environment.opencodePid !== String(server.pid);
}

function aboutKeeping(server: Process, suspect: Suspect, facts: Facts): Says[] {
  const { written, snapshot } = facts;
  const said: Says[] = [];
  const environment = snapshot.environments.get(server.pid);
  if (environment?.keep) said.push('veto');
  if (environment === undefined && snapshot.showsEnvironments) said.push('doubt');
  for (const mark of written.kept) said.push(...keeps(mark, suspect, facts));
  if (written.unread.some(({ kind }) => kind === 'keep')) said.push('doubt');
  return said;
}

/** For the record with that id, and for any record that leads to one of its processes. */
function keeps(mark: KeepMark, { process: server, launcher }: Suspect, { records, snapshot }: Facts): Says[] {
  if (records.some(({ id, source }) => source.format === 'native' && id === mark.id)) return ['veto'];
  const here = snapshot.machine;
  // What was found is known by its start token, whatever less a record says of it.
  const recorded = records.flatMap((one) =>
    [one.spawned ?? [], one.server ?? []].flat().map((who) => inOurTime(who, one.machine, here)),
  );
  const isFound = ({ pid, startToken }: Identity): boolean =>
    startToken === undefined && (pid === server?.pid || pid === launcher?.pid);
  const surely = marks(mark, [...(server ? [server] : []), ...recorded.filter((who) => !isFound(who))], here);
  const perhaps = marks(mark, [...(launcher ? [launcher] : []), ...recorded], here);
  // A plugin's record has the id of a process; with a launcher it is open which, and so is whose the launcher is.
  const ids = [server, launcher].flatMap((one) => (one ? `${one.pid}-${one.startToken}` : []));
  const isNamed = records.some(({ source }) => source.format !== 'native') && ids.includes(mark.id);
  if (surely === 'veto' || (isNamed && launcher === undefined)) return ['veto'];
  const open: Says[] = isNamed || perhaps !== 'fine' ? ['fine or veto', 'fine or doubt'] : [];
  return surely === 'doubt' ? ['doubt', ...open] : open;
}

function marks(mark: KeepMark, its: readonly Identity[], here: Host): 'veto' | 'doubt' | 'fine' {
  const { boot, pidNamespace } = mark.machine ?? {};
  if (boot !== undefined && here.boot !== undefined && boot !== here.boot) return 'fine';
  if (pidNamespace !== undefined && here.pidNamespace !== undefined && pidNamespace !== here.pidNamespace)
    return 'fine';
  const marked = mark.processes.map((who) => inOurTime(who, mark.machine, here));
  const pairs = marked.flatMap((one) =>
    its.filter(({ pid }) => pid === one.pid).map((other) => [one.startToken, other.startToken]),
  );
  if (pairs.some(([one, other]) => one !== undefined && one === other)) return 'veto';
  return pairs.some((pair) => pair.includes(undefined)) ? 'doubt' : 'fine';
}

/** Start tokens of another time namespace cannot be compared. */
const inOurTime = <Who extends Identity>(who: Who, where: Host | undefined, here: Host): Who =>
  (where?.timeNamespace ?? INITIAL) === (here.timeNamespace ?? INITIAL) ? who : { ...who, startToken: undefined };

export function everythingBelow(root: Process, { processes }: Snapshot): Process[] {
  const found = new Set<Process>();
  const add = (pid: number): void => {
    for (const one of processes?.values() ?? []) {
      if (one.parent !== pid || one.pid === root.pid || found.has(one)) continue;
      found.add(one);
      add(one.pid);
    }
  };
  add(root.pid);
  return [...found];
}
