import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const given = new Set<number>();

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

const SHARE = 1_500;
const SHARES = 8;

/**
 * Each worker has its own share of ports: chosen from all, one run in ten gave a port to two tests before the server of
 * the first one was there. Vitest counts workers from 1.
 */
const first = 20_000 + (Number(process.env.VITEST_POOL_ID ?? 0) % SHARES) * SHARE;

/**
 * A free port of 127.0.0.1, handed out once per test process. It is below the range that outgoing connections take
 * their ports from (32768 and up), so that none of those can take it before the server does. 4096 is never handed out.
 */
export const reservePort = async (): Promise<number> => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = randomInt(first, first + SHARE);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('no free port in 100 attempts');
};
