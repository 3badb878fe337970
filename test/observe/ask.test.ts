import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Candidate } from '../../src/decide/candidate.js';
import { askServer } from '../../src/observe/server/ask.js';
import { lookAtProcesses } from '../../src/observe/snapshot.js';
import { thisPlatform } from '../../src/observe/this-platform.js';

/** This very process, which listens, as the server that was judged. */
async function judged(changed: object): Promise<readonly [activity: unknown, connections: number]> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const platform = await thisPlatform();
  const snapshot = await lookAtProcesses([], { platform, claudeSessions: () => undefined });
  const ours = snapshot.processes?.get(process.pid);
  if (ours === undefined) throw new Error('this process is not shown');
  const seen = { ...ours, ...changed };
  const located = { kind: 'present', launcher: undefined, server: seen, proof: 'start token' } as const;
  const tree = { members: [seen], left: [], apart: [] };
  const candidate = { record: { id: 'one', port, alsoIn: [] }, located, tree } as unknown as Candidate;
  const activity = await askServer(candidate, [], undefined, snapshot, platform);
  return [activity, connections];
}

test('what has the pid by now is not asked', async () => {
  expect(await judged({ startToken: '1' })).toEqual([{ kind: 'unknown', because: 'its process has changed' }, 0]);
});

test('the process that was judged is asked at the port that it listens on', async () => {
  const [activity, connections] = await judged({});
  expect([activity, connections]).toMatchObject([{ kind: 'unknown', because: expect.stringContaining('refused') }, 1]);
});
