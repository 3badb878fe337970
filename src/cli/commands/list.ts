import { VERSION } from '../../common/version.js';
import type { Reaped } from '../../decide/plan.js';
import { endQuestions } from '../../observe/server/questions.js';
import { reap } from '../../reap.js';
import { listClosing } from '../../report/closing.js';
import { cpuNow } from '../../report/cpu-now.js';
import { jsonReport } from '../../report/json.js';
import { type Page, table } from '../../report/table.js';
import { everyGuard } from '../../report/why.js';
import { openWorld, type World } from '../../run/world.js';
import { type Common, complain, complainAboutUnread, forTerminal, pageFor, print, printJson } from '../output.js';
import { openScreen, whyNoScreen } from '../screen.js';

export interface ListOptions extends Common {
  readonly all?: boolean;
  readonly watch?: boolean;
  readonly olderThan: number;
}

/** Every known server with its verdict: a dry run over everything. `--all` adds servers that are not recorded. */
export async function listCommand(options: ListOptions): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  if (options.watch) return watchList(options, world);
  const reaped = await look(options, world);
  complainAboutUnread(reaped.unread);
  if (options.json) printJson(jsonReport(reaped, VERSION));
  else print(linesOf(reaped, options, pageFor(options)));
  return reaped.unread.length > 0 ? 1 : 0;
}

export const look = ({ olderThan }: Pick<ListOptions, 'olderThan'>, world: World): Promise<Reaped> => {
  const policy = { olderThanMs: olderThan, graceMs: 0, limit: 0, endStrays: false };
  return reap({ ...policy, dryRun: true, scope: { kind: 'all', port: undefined } }, world);
};

export function linesOf(reaped: Reaped, { all = false }: ListOptions, page: Page): string[] {
  const servers = all ? [...reaped.servers, ...reaped.unrecorded] : reaped.servers;
  return [...table(reaped.servers, page), ...listClosing(reaped, all, page), ...everyGuard(servers, page)];
}

/** Each look asks the servers that nothing else spares, so it should not come too often. */
export const EVERY_MS = 5_000;

/** The same again and again, with the share of a core since the look before. */
async function watchList(options: ListOptions, world: World): Promise<number> {
  const because = options.json ? 'it shows a page for people' : whyNoScreen();
  if (because !== undefined) {
    complain(`list --watch cannot be shown here: ${because}`, 'opencode-reap list --json prints the same once');
    return 2;
  }
  let seen: Reaped | undefined;
  let before: Reaped | undefined;
  const draw = (): void => {
    const whole = pageFor(options);
    // What clears the rest of a line would take the letter in the last column with it.
    const page = { ...whole, width: whole.width && whole.width - 1, cpuNow: cpuNow(before, seen) };
    const lines = seen === undefined ? ['looking'] : linesOf(seen, options, page);
    const unread = seen?.unread.length ? [`${seen.unread.length} files could not be read: opencode-reap list`] : [];
    screen.draw(
      [...lines, ...unread, page.paint.dim('q ends this')].map((line) => forTerminal(line, process.env, true)),
    );
  };
  const screen = openScreen({
    resized: draw,
    ended: (code) => {
      screen.close();
      endQuestions();
      process.exit(code);
    },
  });
  for (;;) {
    draw();
    const next = await look(options, world);
    [before, seen] = [seen, next];
    draw();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
