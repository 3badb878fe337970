// A stand-in for a Claude process: runs both hooks as its children, as the client does in exec form, and lives until
// its standard input ends. argv: hook.cjs, then what to add to each call.
import { spawnSync } from 'node:child_process';

const [hook, ...extra] = process.argv.slice(2);
const call = (event, input) =>
  spawnSync(process.execPath, [hook, 'hook', event, ...extra], { input: JSON.stringify(input), env: process.env });

const common = { session_id: 'stand-in', cwd: process.cwd() };
call('session-start', { ...common, hook_event_name: 'SessionStart', source: 'startup' });
process.stdout.write('started\n');
process.stdin.resume();
process.stdin.on('end', () => {
  call('session-end', { ...common, hook_event_name: 'SessionEnd', reason: process.env.REASON ?? 'other' });
  process.exit(0);
});
