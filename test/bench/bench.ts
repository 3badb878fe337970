import { cpus } from 'node:os';
import { beside } from './beside.js';
import { commands } from './commands.js';
import { growth } from './growth.js';
import { hook } from './hook.js';
import { profile } from './profile.js';
import { markdownOf, type Row, tableOf } from './table.js';

const GROUPS = { hook, commands, beside, profile, growth } as const;
type Group = keyof typeof GROUPS;

/**
 * `npm run bench -- [--quick] [--json|--markdown] [hook|commands|beside|profile|growth …]`; without a name, all but `profile` and
 * `growth`, which takes minutes. `--markdown` prints what docs/performance.md has.
 */
async function main(args: readonly string[]): Promise<void> {
  const named = args.filter((arg): arg is Group => arg in GROUPS);
  const groups: readonly Group[] = named.length > 0 ? named : ['hook', 'commands', 'beside'];
  const say = args.includes('--json') ? () => undefined : (text: string) => process.stdout.write(`${text}\n`);
  const where = args.includes('--alone') ? 'in namespaces of their own' : "beside the machine's own processes";
  const [markdown, quick] = ['--markdown', '--quick'].map((flag) => args.includes(flag));
  const often = quick ? ', a quarter of the rounds' : '';
  say(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${where}${often}; x is a ratio to node -e 0 in the same run`,
  );
  const results: Partial<Record<Group, readonly Row[]>> = {};
  for (const group of groups) {
    results[group] = await GROUPS[group]();
    const rows = results[group] ?? [];
    say(markdown ? `\n### ${group}\n\n${markdownOf(rows)}` : `\n${group}\n${tableOf(rows)}`);
  }
  if (args.includes('--json'))
    process.stdout.write(`${JSON.stringify({ node: process.version, results }, undefined, 2)}\n`);
}

await main(process.argv.slice(2));
