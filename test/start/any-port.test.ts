import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { anyPort } from '../../src/start/any-port.js';

test('a port that is offered but not wanted is held until another one is, and both are free then', async () => {
  const seen: number[] = [];
  const port = await anyPort('127.0.0.1', (one) => seen.push(one) < 4);
  expect(seen).toHaveLength(4);
  expect(new Set(seen).size).toBe(4);
  expect(port).toBe(seen.at(-1));
  for (const one of seen) {
    const socket = connect(one, '127.0.0.1');
    expect(
      await new Promise((resolve) => socket.once('connect', resolve).once('error', ({ message }) => resolve(message))),
    ).toMatch(/ECONNREFUSED/);
    socket.destroy();
  }
});

test('an address that this machine does not have is an answer, not an error', async () => {
  expect(await anyPort('192.0.2.1')).toMatch(/^E[A-Z]+$/);
});
