// Does one thing to a fence, with the built program's own functions: `raise`, `withdraw`, `close`, `back` (lifts all),
// `stay` (the same, while their servers may be ending), or `stop`: lifts those of dead runs, and if there is a record then, fences it and is done with it.
import { readFileSync, writeFileSync } from 'node:fs';

const [root, what, identity] = process.argv.slice(2);
const { stateFolder } = await import('../../dist/modules/state/folders.js');
const { readRegistry } = await import('../../dist/modules/state/ours/registry.js');
const { liftFence, raiseFence } = await import('../../dist/modules/state/ours/fences.js');

const folder = stateFolder(root);
const { records, fences } = readRegistry(folder, [folder], [], undefined);
const tokenOf = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[19];
  } catch {
    return undefined;
  }
};
const [pid, startToken] = identity === 'self' ? [process.pid, tokenOf(process.pid)] : identity.split('-');
const stopper = { run: { pid: Number(pid), startToken }, machine: JSON.parse(readFileSync(`${root}/machine`, 'utf8')) };
const isDead = ({ run }) => tokenOf(run.pid) !== run.startToken;
const lifts = what === 'back' || what === 'stay';
if (lifts || what === 'stop') {
  for (const fence of fences)
    if (lifts || isDead(fence)) liftFence(fence, what === 'stay' ? 'may be ending' : 'lives', stopper);
}
if (!lifts) {
  const [record] = what === 'stop' ? readRegistry(folder, [folder], [], undefined).records : records;
  const raised = record && raiseFence(folder, record, stopper, []);
  const held = typeof raised === 'object' ? raised : undefined;
  held?.note([{ pid: 2, startToken: '2' }]);
  if (what !== 'raise') held?.[what === 'stop' ? 'close' : what]();
  if (what === 'stop' && held) writeFileSync(`${root}/stopped`, '');
}
