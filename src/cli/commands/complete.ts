import type { Candidate as Server } from '../../decide/candidate.js';
import { type Evidence, evidenceOf } from '../../decide/evidence.js';
import { mayBeHandedOver } from '../../decide/remedies.js';
import { type Candidate, type Grammar, type Next, next } from '../../report/candidates.js';
import { FOLDERS } from '../../report/completion.js';
import { clean, tilde } from '../../report/text.js';
import { survey, surveyUnrecorded } from '../../run/survey.js';
import { openWorld } from '../../run/world.js';
import { homeOf } from '../../state/folders.js';
import { print } from '../output.js';

/** Prints what can stand where a shell wants to complete: one on each line, then a tab and what it is. */
export async function completeCommand(
  words: readonly string[],
  begun: string,
  program: Grammar,
  commands: readonly Grammar[],
): Promise<number> {
  const coming = next(words, begun, program, commands);
  if (coming.kind === 'folders') print([FOLDERS]);
  else {
    const candidates = coming.kind === 'words' ? coming.words : await servers(words, coming);
    const [, flag = ''] = /^(--[^=]*=)/.exec(begun) ?? [];
    const all = candidates.map(({ word, what }) => ({ word: `${flag}${word}`, what }));
    print(all.filter(({ word }) => word.startsWith(begun)).map(({ word, what }) => `${word}\t${what}`));
  }
  return 0;
}

/** The names of the servers that run, or of their ports alone. */
async function servers(words: readonly string[], coming: Next): Promise<Candidate[]> {
  const at = words.indexOf('--state-dir');
  const world = await openWorld(at < 0 ? undefined : words[at + 1], process.env);
  const around = await survey(world);
  const isWanted = (coming.kind === 'servers' && WANTED[coming.to]) || (() => true);
  const running = [around, await surveyUnrecorded(around, world)].flatMap(({ candidates, written, snapshot }) =>
    candidates.filter(
      (one) => one.located.kind !== 'gone' && isWanted(evidenceOf(one, written, snapshot, { kind: 'not asked' })),
    ),
  );
  const ports = running.flatMap((server) => named(server, server.record.port));
  return coming.kind === 'ports' ? ports : [...ports, ...running.flatMap((server) => named(server, server.record.id))];
}

/** The servers for which a command has something to do, where that is not all of them. */
const WANTED: Readonly<Record<string, (seen: Evidence) => boolean>> = {
  adopt: mayBeHandedOver,
  keep: ({ kept }) => kept !== 'yes',
  unkeep: ({ kept }) => kept !== 'no',
};

/** A shell inserts the name as it is, and an id can be what a file says: only what means nothing to a shell. */
function named({ record, located }: Server, name: string | number | undefined): Candidate[] {
  if (!/^\w[\w.@%+-]*$/.test(`${name ?? ''}`)) return [];
  const pid = located.kind === 'present' ? located.server.pid : record.server?.pid;
  const said = [
    pid === undefined ? [] : `pid ${pid}`,
    name === record.port || record.port === undefined ? [] : `port ${record.port}`,
    record.ownership === 'unrecorded' ? 'not recorded' : (record.plugin ?? []),
    record.workspace === undefined ? [] : tilde(record.workspace, homeOf(process.env)),
  ];
  return [{ word: `${name}`, what: clean(said.flat().join(', ')) }];
}
