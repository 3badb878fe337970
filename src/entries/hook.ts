import { dirname, join } from 'node:path';
import { parseHookCall, runHook } from '../session/hook.js';

/*
 * The hook's entry, built into one small file: of a file ten times its size, the node that runs it would spend twice
 * as long on reading it as on everything else. The program that it starts lies beside it.
 */
const program = join(dirname(import.meta.filename), 'opencode-reap.cjs');
const args = process.argv.slice(process.argv[2] === 'hook' ? 3 : 2);

const call = parseHookCall(args, process.env, async (stateDir) => {
  // Only now, since loading what starts processes takes as long as all the rest.
  const { startBackground } = await import('../act/start-background.js');
  startBackground(program, stateDir, process.env);
});
runHook(call, (code) => process.exit(code));
