import type { Candidate as Server } from '../../decide/candidate.js';
import { type Candidate, type Grammar, next } from '../../report/candidates.js';
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
    const candidates = coming.kind === 'words' ? coming.words : await servers(words, coming.kind === 'ports');
    const [, flag = ''] = /^(--[^=]*=)/.exec(begun) ?? [];
    const all = candidates.map(({ word, what }) => ({ word: `${flag}${word}`, what }));
    print(all.filter(({ word }) => word.startsWith(begun)).map(({ word, what }) => `${word}\t${what}`));
  }
  return 0;
}

/** The names of the servers that run, or of their ports alone. */
async function servers(words: readonly string[], portsOnly: boolean): Promise<Candidate[]> {
  const at = words.indexOf('--state-dir');
  const world = await openWorld(at < 0 ? undefined : words[at + 1], process.env);
  const around = await survey(world);
  const known = [...around.candidates, ...(await surveyUnrecorded(around, world)).candidates];
  const running = known.filter(({ located }) => located.kind !== 'gone');
  const ports = running.flatMap((server) => named(server, server.record.port));
  return portsOnly ? ports : [...ports, ...running.flatMap((server) => named(server, server.record.id))];
}

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
