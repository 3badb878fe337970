import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lineOf } from './installed.js';
import { HOOK } from './program.js';

const handler = (event: string, port: number, extra: object) => [
  { hooks: [{ type: 'command', command: lineOf(HOOK, event, '--port', String(port)), ...extra }] },
];

/** Settings with both hooks, as `install` writes them. `extra` changes the handlers. */
export const hookSettings = (port: number, extra: object = { timeout: 5 }) => ({
  hooks: { SessionStart: handler('session-start', port, extra), SessionEnd: handler('session-end', port, extra) },
});

/** For every project of a user. */
export const writeUserSettings = (home: string, settings: object): Promise<void> =>
  writeFile(join(home, '.claude/settings.json'), JSON.stringify(settings));
