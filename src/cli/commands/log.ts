import { clean } from '../../report/text.js';
import { openWorld } from '../../run/world.js';
import { readLog } from '../../state/ours/log.js';
import { type Common, pageFor, print, printJson } from '../output.js';

/** What was stopped or spared, and why, newest last. */
export async function logCommand(options: Common & { readonly lines: number }): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const lines = readLog(world.folder).slice(options.lines === 0 ? Number.POSITIVE_INFINITY : -options.lines);
  const { paint } = pageFor(options);
  if (options.json) printJson(lines);
  else if (options.quiet) return 0;
  else if (lines.length === 0) print(['nothing has been stopped or spared yet']);
  else {
    print(
      lines.map(
        ({ at, by, event, pid, port, detail }) =>
          clean(`${at}  ${event.padEnd(8)}  pid ${pid ?? '–'}  port ${port ?? '–'}  `) +
          paint.dim(clean(by === undefined ? detail : `${detail} (${by})`)),
      ),
    );
  }
  return 0;
}
