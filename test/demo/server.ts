import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { binOf, fetchRelease, RELEASES } from '../support/releases.js';

/* The real server for the demonstration: there already, or fetched. */

function isFetched(): boolean {
  process.stdout.write(`fetching OpenCode ${RELEASES.native} from the npm registry, once (some 500 MB) …\n`);
  try {
    fetchRelease('native');
    return true;
  } catch {
    // What npm has to say about it, it has said.
    return false;
  }
}

if (!existsSync(binOf('native'))) {
  let isInterrupted = false;
  const interrupted = () => {
    isInterrupted = true;
  };
  // npm gets the same signal, and what it has fetched so far is removed.
  process.on('SIGINT', interrupted);
  const is = isFetched();
  // Signals are delivered between two turns.
  await setImmediate();
  process.off('SIGINT', interrupted);
  if (!is || isInterrupted) {
    process.stderr.write('error: the real server could not be fetched\n');
    process.stderr.write(
      'hint: the demonstration needs the npm registry once; without it, see the pictures in the README\n',
    );
    process.exit(isInterrupted ? 130 : 1);
  }
}
