import { expect, test } from 'vitest';
import type { GuardName } from '../../src/decide/guards.js';
import { REMEDIES } from '../../src/decide/remedies.js';
import { birth, born, COMPANION } from './born-cases.js';
import {
  but,
  client,
  connected,
  leased,
  recorded,
  registered,
  running,
  says,
  seen,
  unread,
  written,
} from './changes.js';
import {
  CLAUDE,
  evidence,
  FREE,
  here,
  identity,
  native,
  pid,
  process,
  SERVER,
  type Situation,
  serve,
  starting,
} from './given.js';
import { job, weak } from './plugin-cases.js';

/* What `why` advises a person to do, for each thing that keeps a server. */

const END_SESSION = 'end the session that may use it';
const WAIT = 'wait until its work is done, or disconnect its clients';
const other = { command: { kind: 'other' } } as const;
const elsewhere = { machine: { ...here, pidNamespace: 'x' }, path: '/repo' };
const doubtful = { ...job, holder: undefined, seenAt: undefined };
const terminal = (is: boolean | undefined) => but(born, seen(COMPANION, { terminal: is }));
const waited = but(starting, recorded({ starter: identity(CLAUDE) }));

test.each<[string, GuardName, Situation, string]>([
  [
    'its pid is another program',
    'identity',
    but(weak, seen(SERVER, other)),
    `nothing to do unless it is a server: then end it yourself (kill ${SERVER})`,
  ],
  [
    'it is another user’s',
    'identity',
    but(native, seen(SERVER, { owner: '0' })),
    'the user who owns the process can stop it',
  ],
  [
    'it became another program',
    'identity',
    but(native, seen(SERVER, other)),
    'nothing to do unless it is a server: then end it yourself, and its record goes with it',
  ],
  [
    'its start token cannot be read',
    'identity',
    but(native, seen(SERVER, { startToken: undefined })),
    'only you can tell: `opencode-reap adopt` lets the process be reaped, `opencode-reap stop` ends it',
  ],
  ['a session holds it', 'unleased', but(native, leased({ path: '/repo' })), END_SESSION],
  [
    'a session holds it, and another may',
    'unleased',
    but(native, leased({ path: '/repo' }), leased(elsewhere)),
    END_SESSION,
  ],
  [
    'a session of another container may hold it',
    'unleased',
    but(native, leased({ ...elsewhere, file: '/x' })),
    'remove /x if that session has ended; it counts for at most a day after its last sign of life',
  ],
  [
    'the client that started it may live, by its pid alone',
    'unleased',
    but(born, recorded({ birth: { ...birth, clientPid: CLAUDE } }), seen(CLAUDE, { ageMs: undefined })),
    END_SESSION,
  ],
  ['its parent is at a terminal', 'unleased', terminal(true), `end its parent, pid ${COMPANION}`],
  ['its parent may be at a terminal', 'unleased', terminal(undefined), `end its parent, pid ${COMPANION}`],
  ['its starter waits for it', 'unleased', waited, 'wait until it has started'],
  [
    'a lease cannot be read',
    'unleased',
    but(native, unread('lease')),
    'fix or remove the lease that `opencode-reap doctor` names',
  ],
  ['a client is connected', 'idle', but(native, client(CLAUDE)), WAIT],
  ['a tool runs in it', 'idle', but(native, running(process(5002, { parent: SERVER }))), WAIT],
  [
    'it was used lately',
    'idle',
    but(native, connected({ lately: [9_000] }), says({ kind: 'unknown', because: 'x' })),
    WAIT,
  ],
  ['it is busy', 'idle', but(native, says({ kind: 'busy', sessions: 1, directory: '/' })), WAIT],
  ['a job runs, and a list cannot be read', 'idle', but(weak, written({ uses: [job] }), unread('use')), WAIT],
  ['a job runs', 'idle', but(weak, written({ uses: [job] })), WAIT],
  [
    'a job may run',
    'idle',
    but(weak, written({ uses: [{ ...doubtful, file: '/x' }] })),
    'fix or remove /x if that job is over',
  ],
  [
    'two jobs of one list may run, and a third does',
    'idle',
    but(weak, written({ uses: [job, ...['a', 'b'].map((name) => ({ ...doubtful, name, file: '/x' }))] })),
    'fix or remove /x if that job is over',
  ],
  [
    'a client is connected, and a job may run',
    'idle',
    but(weak, client(FREE), written({ uses: [{ ...doubtful, file: '/x' }] })),
    WAIT,
  ],
  [
    'a list of jobs cannot be read',
    'idle',
    but(weak, unread('use')),
    'fix or remove the list that `opencode-reap doctor` names',
  ],
  [
    'it does not say whether it is busy',
    'idle',
    but(native, says({ kind: 'unknown', because: 'x' })),
    'if nothing uses it anymore, `opencode-reap stop` ends it',
  ],
  [
    'it was not asked',
    'idle',
    but(native, says({ kind: 'not asked' })),
    'it was not asked: change the rest first, then it is',
  ],
  [
    'it is silent',
    'idle',
    but(native, says({ kind: 'silent' })),
    'if nothing uses it anymore, `opencode-reap stop` ends it',
  ],
  [
    'OpenChamber may have started it',
    'owned',
    but(native, registered({ pid: pid(SERVER), doubt: 'EACCES' })),
    'fix or remove what OpenChamber (desktop) wrote down; `opencode-reap stop` ends the server',
  ],
  [
    'OpenChamber started it',
    'owned',
    but(native, registered({ pid: pid(SERVER) })),
    '`opencode-reap stop` ends it all the same',
  ],
  [
    'it lives as long as its standard input',
    'owned',
    but(native, seen(SERVER, { command: { ...serve, sharedDaemon: 'stdio' } })),
    'end what started it; `opencode-reap stop` ends it too',
  ],
  [
    'it runs at a terminal',
    'owned',
    but(native, seen(SERVER, { terminal: true })),
    '`opencode-reap stop` ends it all the same',
  ],
])('what helps where %s', (_what, name, given, advice) => {
  expect(REMEDIES[name](evidence(given))).toBe(advice);
});
