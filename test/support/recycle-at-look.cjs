// Loaded before the program. Notes each look at a process and each signal to it, one line each; and right before its n-th
// look, has the pid given to another process and waits until that is there.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const { LOOKED_AT: pid, LOOKS_IN: folder, RECYCLE_AT: at } = process.env;
const { appendFileSync, existsSync, openSync, writeFileSync } = fs;
const kill = process.kill.bind(process);
const sleeping = new Int32Array(new SharedArrayBuffer(4));
const MOST_MS = 30_000;

let looks = 0;
fs.openSync = (path, ...more) => {
  if (path === `/proc/${pid}/stat`) {
    looks += 1;
    appendFileSync(`${folder}/steps`, 'look\n');
    if (looks === Number(at)) {
      writeFileSync(`${folder}/now`, '');
      const until = Date.now() + MOST_MS;
      while (!existsSync(`${folder}/done`) && Date.now() < until) Atomics.wait(sleeping, 0, 0, 5);
    }
  }
  return openSync(path, ...more);
};
process.kill = (target, name) => {
  if (String(target) === pid && name !== 0) appendFileSync(`${folder}/steps`, `${name}\n`);
  return kill(target, name);
};
syncBuiltinESMExports();
