// Loaded before the program: SIGKILLs or stops it before its n-th step that changes a file.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const at = Number(process.env.KILL_AT_STEP);
const isMeant = /opencode-reap(\.js|\.cjs)?$|hook\.cjs$|fence-actor\.mjs$/.test(process.argv[1] ?? '');
const forWriting = (flags) =>
  typeof flags === 'number' ? (flags & fs.constants.O_CREAT) !== 0 : /[wa+]/.test(flags ?? 'r');

let steps = 0;
const STEPS = [
  'openSync',
  'writeSync',
  'fsyncSync',
  'linkSync',
  'renameSync',
  'unlinkSync',
  'mkdirSync',
  'utimesSync',
  'appendFileSync',
];
for (const name of isMeant && at > 0 ? STEPS : []) {
  const original = fs[name];
  fs[name] = (...args) => {
    const isStep = name !== 'openSync' || forWriting(args[1]);
    if (isStep) steps += 1;
    if (isStep && steps === at) process.kill(process.pid, process.env.SIGNAL_AT_STEP ?? 'SIGKILL');
    return original(...args);
  };
}
syncBuiltinESMExports();
