import { PROGRAM } from './commands.js';
import { inTurn, NODE, peakKilobytes, rounds } from './measure.js';
import { type Furniture, furnish } from './room.js';
import type { Row } from './table.js';

const ROUNDS = rounds(5);
const EACH = {
  records: [0, 100, 1_000, 10_000],
  processes: [200, 5_000],
  connections: [0, 2_000],
  unrecorded: [0, 10],
};

/** Every combination of sizes: time and peak memory of a dry run over everything. */
export async function growth(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const processes of EACH.processes) {
    for (const connections of EACH.connections) {
      for (const unrecorded of EACH.unrecorded) {
        for (const records of EACH.records)
          rows.push(...(await measured({ records, processes, connections, unrecorded })));
      }
    }
  }
  return rows;
}

async function measured(
  furniture: Required<Pick<Furniture, 'records' | 'processes' | 'connections' | 'unrecorded'>>,
): Promise<Row[]> {
  const { box, close } = await furnish(furniture);
  const dryRun = { args: [PROGRAM, '--dry-run', '--all-stale', '-q'], env: box.env() };
  const { node, ours } = await inTurn({ node: { args: NODE, env: box.env() }, ours: dryRun }, ROUNDS);
  const memory = peakKilobytes(dryRun);
  await close();
  const { records, processes, connections, unrecorded } = furniture;
  const what = `${records} records, ${processes} processes, ${connections} connections, ${unrecorded} unrecorded`;
  return [
    { what, value: ours.median / node.median, unit: 'x', spread: [ours.low / node.median, ours.high / node.median] },
    { what: `${what}, peak memory`, value: memory / 1024, unit: 'MB' },
  ];
}
