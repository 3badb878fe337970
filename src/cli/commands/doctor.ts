import { VERSION } from '../../common/version.js';
import { examine } from '../../doctor/doctor.js';
import type { Finding } from '../../doctor/finding.js';
import { wrap } from '../../report/columns.js';
import type { Page } from '../../report/table.js';
import { clean } from '../../report/text.js';
import { openWorld } from '../../run/world.js';
import { type Common, pageFor, print, printJson, progress } from '../output.js';

/** Prints whether everything is in place, one line each. Exit code 1 when something is broken. */
export async function doctorCommand(options: Common): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const shown = progress('looking', options);
  const findings = await examine(world, process.env).finally(shown.end);
  const page = pageFor(options);
  if (options.json) printJson({ schema: 'opencode-reap/1', version: VERSION, findings });
  else print(findings.filter(({ level }) => !options.quiet || level === 'fail').flatMap((one) => lines(one, page)));
  return findings.some(({ level }) => level === 'fail') ? 1 : 0;
}

function lines({ level, about, detail, hint }: Finding, { paint, home, width }: Page): string[] {
  const colour = { ok: paint.green, warn: paint.yellow, fail: paint.red }[level];
  const shown = clean(home ? detail.replaceAll(`${home}/`, '~/').replaceAll(`${home}\\`, '~\\') : detail);
  const room = width === undefined ? undefined : width - HEAD;
  const said = [...wrap(shown, room, ''), ...(hint === undefined ? [] : wrap(`hint: ${clean(hint)}`, room, ''))];
  return said.map(
    (line, at) => `${at === 0 ? `${colour(level.padEnd(4))}  ${about.padEnd(WIDEST)}  ` : ' '.repeat(HEAD)}${line}`,
  );
}

const WIDEST = 'background run'.length;
/** The level, and two blanks before and behind what it is about. */
const HEAD = WIDEST + 8;
