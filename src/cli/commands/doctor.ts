import { VERSION } from '../../common/version.js';
import { examine } from '../../doctor/doctor.js';
import type { Finding } from '../../doctor/finding.js';
import { clean, type Paint } from '../../report/text.js';
import { openWorld } from '../../run/world.js';
import { type Common, pageFor, print, printJson, progress } from '../output.js';

/** Prints whether everything is in place, one line each. Exit code 1 when something is broken. */
export async function doctorCommand(options: Common): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const shown = progress('looking', options);
  const findings = await examine(world, process.env).finally(shown.end);
  const { paint, home } = pageFor(options);
  if (options.json) printJson({ schema: 'opencode-reap/1', version: VERSION, findings });
  else
    print(findings.filter(({ level }) => !options.quiet || level === 'fail').flatMap((one) => lines(one, paint, home)));
  return findings.some(({ level }) => level === 'fail') ? 1 : 0;
}

function lines({ level, about, detail, hint }: Finding, paint: Paint, home: string | undefined): string[] {
  const colour = { ok: paint.green, warn: paint.yellow, fail: paint.red }[level];
  const shown = clean(home ? detail.replaceAll(`${home}/`, '~/').replaceAll(`${home}\\`, '~\\') : detail);
  const first = `${colour(level.padEnd(4))}  ${about.padEnd(WIDEST)}  ${shown}`;
  return hint === undefined ? [first] : [first, `${' '.repeat(WIDEST + 8)}hint: ${clean(hint)}`];
}

const WIDEST = 'background run'.length;
