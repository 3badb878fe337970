import { setTimeout as sleep } from 'node:timers/promises';
import { type Activity, activityNow } from '../decide/activity.js';
import type { Candidate } from '../decide/candidate.js';
import { type Evidence, evidenceOf, withoutQuestions } from '../decide/evidence.js';
import type { Policy } from '../decide/guards.js';
import { useKey } from '../decide/quiet.js';
import { usesOf } from '../decide/uses.js';
import { judge, type Verdict } from '../decide/verdict.js';
import type { ServerRecord } from '../model/record.js';
import type { Written } from '../model/written.js';
import { bootMs } from '../observe/boot-clock.js';
import { askServer } from '../observe/server/ask.js';
import { type Survey, surveyOne, surveyUnrecorded } from './survey.js';
import type { World } from './world.js';

/** What the guards say of one candidate. */
export interface Judgement extends Candidate {
  readonly seen: Evidence;
  readonly verdict: Verdict;
  /** The look that it was judged by; for a server that was asked, the one after its answer. */
  readonly survey: Survey;
  /** Undefined when it was not asked. */
  readonly answered?: Answered;
}

/** What a server has said, and when it was asked and had answered, by the boot clock. */
export interface Answered {
  readonly activity: Activity;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/** Which servers are asked: those that nothing else spares, all that can be asked, or none. */
export type Asks = 'undecided' | 'all' | 'none';

/** Judges every candidate. */
export async function judgeAll(
  around: Survey,
  policy: Policy,
  world: World,
  asks: Asks = 'undecided',
): Promise<Judgement[]> {
  return Promise.all(around.candidates.map((candidate) => judgeOne(candidate, around, policy, world, asks)));
}

/** Looks at one server anew and judges it, ignoring earlier looks. */
export async function judgeAnew(
  record: ServerRecord,
  policy: Policy,
  world: World,
  asks: Asks = 'undecided',
): Promise<Judgement> {
  const near = await surveyOne(world, record);
  return judgeOne(near.candidate, near, policy, world, asks);
}

/**
 * The same for a server that was just judged. If it was asked then, it is asked again at once: through a socket that is
 * seen to be its own now, and what it answers is judged by a look of its own.
 */
export const judgeAgain = (judged: Judgement, policy: Policy, world: World, asks: Asks): Promise<Judgement> =>
  judged.answered === undefined || asks === 'none'
    ? judgeAnew(judged.record, policy, world, asks)
    : judgeAsked(judged, judged.survey, policy, world);

/** The servers of ours that no record leads to. They are not asked: we have no business disturbing them. */
export async function judgeUnrecorded(around: Survey, policy: Policy, world: World): Promise<Judgement[]> {
  const unrecorded = await surveyUnrecorded(around, world);
  return unrecorded.candidates.map((candidate) => judgeUnasked(candidate, unrecorded, policy));
}

async function judgeOne(candidate: Candidate, around: Survey, policy: Policy, world: World, asks: Asks) {
  const unasked = judgeUnasked(candidate, around, policy);
  return mayAsk(unasked.verdict, asks) ? judgeAsked(candidate, around, policy, world) : unasked;
}

/**
 * Before a server is asked, what another run's question may cause does not count; once it is judged by its answer, it
 * does.
 */
function judgeUnasked(candidate: Candidate, around: Survey, policy: Policy): Judgement {
  const evidence = evidenceOf(candidate, around.written, around.snapshot, { kind: 'not asked' });
  const seen = withoutQuestions(evidence, SETTLING_MS);
  return { ...candidate, seen, verdict: judge(seen, policy), survey: around };
}

/** Only a server that certainly is the recorded one, and here, is asked anything. */
function mayAsk({ kind, guards }: Verdict, asks: Asks): boolean {
  const isThere = guards.every(({ name, outcome }) => (name !== 'identity' && name !== 'local') || outcome === 'pass');
  return isThere && ((kind === 'unsure' && asks !== 'none') || (kind === 'spared' && asks === 'all'));
}

/**
 * Asks the server, which may take many seconds, and then judges it by what is there after its answer, so that anything
 * that arrived in the meantime counts.
 */
async function judgeAsked(candidate: Candidate, before: Survey, policy: Policy, world: World): Promise<Judgement> {
  const askedAtMs = bootMs();
  const directories = directoriesOf(candidate.record, before);
  const silence = silenceOf(candidate, before.written);
  const activity = await askServer(candidate, directories, silence, before.snapshot, world.platform);
  return judgeOnceMore(candidate.record, { activity, askedAtMs, answeredAtMs: bootMs() }, policy, world);
}

const silenceOf = ({ located }: Candidate, { silences }: Written) =>
  located.kind === 'present' ? silences?.get(useKey(located.server)) : undefined;

/** How long to wait for the end of what a question has caused: another run's connection, a tool of the server's own. */
export const SETTLING_MS = 3_000;
const SETTLING_POLL_MS = 50;

/** With the directory that the server said, where the record says none. */
const placed = (record: ServerRecord, activity: Activity): ServerRecord =>
  activity.kind === 'idle' ? { ...record, workspace: record.workspace ?? activity.worksIn } : record;

/** One cheap look, without asking anything; judges it together with what the server has said before. */
export async function judgeOnceMore(
  record: ServerRecord,
  answered: Answered,
  policy: Policy,
  world: World,
): Promise<Judgement> {
  for (const until = performance.now() + SETTLING_MS; ; await sleep(SETTLING_POLL_MS)) {
    const near = await surveyOne(world, placed(record, answered.activity));
    const { candidate, written, snapshot } = near;
    const activity = activityNow(answered.activity, snapshot.sockets.get(candidate.record.id));
    const seen = evidenceOf(candidate, written, snapshot, activity);
    const verdict = judge(seen, policy);
    const settled = judge(withoutQuestions(seen, bootMs() - answered.askedAtMs + SETTLING_MS), policy);
    const isSettling = settled.kind === 'stale' && verdict.kind !== 'stale';
    if (!isSettling || performance.now() > until) return { ...candidate, seen, verdict, survey: near, answered };
  }
}

/** The directories that it may be working in, for releases that do not say so themselves. */
function directoriesOf(record: ServerRecord, { written }: Survey): string[] {
  const records = [record, ...record.alsoIn];
  const ports = records.flatMap(({ port }) => port ?? []);
  const jobs = usesOf({ records, ports }, written.uses, 'job').flatMap(({ directories }) => directories);
  return [...new Set([...records.flatMap(({ workspace }) => workspace ?? []), ...jobs])];
}
