// Lets the library look again and again while another thread takes and gives back the last few files that this process may
// open. Prints how often a look said what of the servers.
import { closeSync, openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const [build, stateDir, rounds] = process.argv.slice(2);
const { reap } = await import(build);
const look = () => reap({ stateDir, olderThan: 3_600_000 });
// Everything that it loads is loaded.
await look();
const stop = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker(
  `const { openSync, closeSync } = require('node:fs');
   const { workerData: stop, parentPort } = require('node:worker_threads');
   parentPort.postMessage('ready');
   while (Atomics.load(stop, 0) === 0) {
     const held = [];
     try { for (let n = 0; n < 3; n += 1) held.push(openSync('/dev/null')); } catch {}
     for (const fd of held) closeSync(fd);
   }`,
  { eval: true, workerData: stop },
);
await new Promise((resolve) => worker.once('message', resolve));
const all = [];
for (;;) {
  try {
    all.push(openSync('/dev/null'));
  } catch {
    break;
  }
}
for (const fd of all.splice(-3)) closeSync(fd);
const said = {};
for (let round = 0; round < Number(rounds); round += 1) {
  const kinds = await look().then(
    ({ servers }) => servers.map(({ verdict }) => verdict).join(),
    ({ message }) => `error: ${message}`,
  );
  said[kinds] = (said[kinds] ?? 0) + 1;
}
Atomics.store(stop, 0, 1);
for (const fd of all) closeSync(fd);
process.stdout.write(JSON.stringify(said));
process.exit();
