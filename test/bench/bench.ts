import { cpus } from 'node:os';
import { beside } from './beside.js';
import { commands } from './commands.js';
import { growth } from './growth.js';
import { hook } from './hook.js';
import { type Row, tableOf } from './table.js';

const GROUPS = { hook, commands, beside, growth } as const;
type Group = keyof typeof GROUPS;

/** `npm run bench -- [--json] [hook|commands|beside|growth …]`; without a name, all but `growth`, which takes minutes. */
async function main(args: readonly string[]): Promise<void> {
  const named = args.filter((arg): arg is Group => arg in GROUPS);
  const groups: readonly Group[] = named.length > 0 ? named : ['hook', 'commands', 'beside'];
  const say = args.includes('--json') ? () => undefined : (text: string) => process.stdout.write(`${text}\n`);
  const where = args.includes('--alone') ? 'in namespaces of their own' : "beside the machine's own processes";
  say(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${where}; x is a ratio to node -e 0 in the same run`,
  );
  const results: Partial<Record<Group, readonly Row[]>> = {};
  for (const group of groups) {
    results[group] = await GROUPS[group]();
    say(`\n${group}\n${tableOf(results[group] ?? [])}`);
  }
  if (args.includes('--json'))
    process.stdout.write(`${JSON.stringify({ node: process.version, results }, undefined, 2)}\n`);
}

await main(process.argv.slice(2));
