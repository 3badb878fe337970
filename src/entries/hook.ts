import { dirname, join } from 'node:path';
import { parseHookCall, runHook } from '../session/hook.js';

/*
 * The hook's entry, bundled into one small file: with a file ten times its size, node would spend twice as long on
 * reading it as on everything else. The program that it starts is next to it.
 */
const program = join(dirname(import.meta.filename), 'opencode-reap.cjs');
const args = process.argv.slice(process.argv[2] === 'hook' ? 3 : 2);

const call = parseHookCall(args, process.env, async (stateDir) => {
  // Loaded only now: loading what starts processes takes as long as everything else.
  const { startBackground } = await import('../act/start-background.js');
  startBackground(program, stateDir, process.env);
});
runHook(call, (code) => process.exit(code));
