import { expect, test } from 'vitest';
import { OWN_PASSWORD, spawnEnvironment } from '../../src/start/spawn-environment.js';

test('a server inherits where the plugins of its session write, and nothing else of that', () => {
  const places = { CLAUDE_CONFIG_DIR: '/c', CLAUDE_CODE_TMPDIR: '/t', CLAUDE_CODE_PLUGIN_CACHE_DIR: '/p' };
  const session = { CLAUDECODE: '1', CLAUDE_PID: '1', CLAUDE_CODE_SESSION_ID: 's', CLAUDE_CODE_TMPDIR_X: '/' };
  expect(spawnEnvironment({ ...places, ...session }, 'tag')).toEqual({ ...places, OPENCODE_REAP_TAG: 'tag' });
});

test.each([
  ["the user's own password, whatever it runs below", 'secret', { OPENCODE_SERVER_PASSWORD: 'secret' }],
  ['no password that an outer server has for itself alone', `${OWN_PASSWORD}secret`, {}],
])('a server inherits %s', (_, password, inherited) => {
  const callers = { PATH: '/bin', OPENCODE: '1', OPENCODE_REAP_TAG: 'outer', OPENCODE_SERVER_PASSWORD: password };
  expect(spawnEnvironment(callers, 'tag')).toEqual({ PATH: '/bin', OPENCODE_REAP_TAG: 'tag', ...inherited });
});
