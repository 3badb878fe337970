import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { ROOT } from '../support/pages.js';

const STREAMS = pathToFileURL(`${ROOT}/dist/modules/cli/streams.js`).href;
const LINES = 100_000;

/** What a reader gets who lets the pipe fill up before it reads, and what the writer says at its end. */
function throughPipe(before: string, reader = 'sleep 0.5; cat'): { read: string; said: string; code: number | null } {
  const script = `
    import { whenUnwritable, write } from '${STREAMS}';
    whenUnwritable((code) => { process.exitCode = 1; console.error(code); });
    ${before};
    for (let n = 0; n < ${LINES}; n += 1) write('stdout', n + '\\n');
    write('stderr', 'done\\n');`;
  const { stdout, stderr, status } = spawnSync(
    'bash',
    ['-o', 'pipefail', '-c', `"$0" --input-type=module -e "$1" | (${reader})`, process.execPath, script],
    { encoding: 'utf8', maxBuffer: 1 << 24 },
  );
  return { read: stdout, said: stderr, code: status };
}

const ALL = `${Array.from({ length: LINES }, (_, n) => n).join('\n')}\n`;

test.each([
  ['that waits', ''],
  // The mark that a pipe does not wait is on the pipe, so whoever shares it may have made it.
  ['that does not wait', 'process.stdout'],
])('all is written, in order, into a full pipe %s', (_, before) => {
  const { read, said, code } = throughPipe(before);
  expect([said, code, read.length, read === ALL]).toEqual(['done\n', 0, ALL.length, true]);
});

test('a reader who has seen enough is no error', () => {
  expect(throughPipe('', 'head -1')).toEqual({ read: '0\n', said: 'done\n', code: 0 });
});

test('a full disk is told once, and nothing is thrown', () => {
  const script = `import { whenUnwritable, write } from '${STREAMS}'; whenUnwritable((code) => console.error(code)); write('stdout', 'x');`;
  const full = spawnSync('bash', ['-c', '"$0" --input-type=module -e "$1" > /dev/full', process.execPath, script], {
    encoding: 'utf8',
  });
  expect([full.stderr, full.status]).toEqual(['ENOSPC\n', 0]);
});
