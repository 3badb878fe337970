import type { Birth } from '../../src/model/birth.js';
import { but, recorded, running, seen } from './changes.js';
import { FREE, HOUR, native, process, SERVER, SHELL, type Situation } from './given.js';

/** A server that is in no file, and the program of a plugin that has started it and waits for it. */
export const COMPANION = 4242;
export const SESSION = '7ab48386-34d2-4ab0-b1da-da040a522746';

export const birth: Birth = {
  proof: { kind: 'parent', pid: COMPANION, script: '/p/scripts/opencode-companion.mjs', plugin: 'opencode 1.0.0' },
  sessions: [SESSION],
  clientPid: FREE,
};

/** The companion is below a shell, and the client that it was started in has ended. */
export const born: Situation = but(
  native,
  recorded({ source: { format: 'born', file: '' }, tag: undefined, birth }),
  seen(SERVER, { parent: COMPANION }),
  running(process(SHELL, { terminal: false }), process(COMPANION, { parent: SHELL, ageMs: HOUR + 500 })),
);
