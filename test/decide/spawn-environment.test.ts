import { expect, test } from 'vitest';
import { OWN_PASSWORD, spawnEnvironment } from '../../src/decide/spawn-environment.js';

test.each([
  ["the user's own password, whatever it runs below", 'secret', { OPENCODE_SERVER_PASSWORD: 'secret' }],
  ['no password that an outer server has for itself alone', `${OWN_PASSWORD}secret`, {}],
])('a server inherits %s', (_, password, inherited) => {
  const callers = { PATH: '/bin', OPENCODE: '1', OPENCODE_REAP_TAG: 'outer', OPENCODE_SERVER_PASSWORD: password };
  expect(spawnEnvironment(callers, 'tag')).toEqual({ PATH: '/bin', OPENCODE_REAP_TAG: 'tag', ...inherited });
});
