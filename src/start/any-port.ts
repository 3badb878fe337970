import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { DEFAULTS } from '../common/defaults.js';
import { errorCode } from '../common/errors.js';

/**
 * A port on which nothing listens now, and never the default one: OpenCode 1, left to choose, takes that first, and who
 * asks for the default one next would be given a server that was not meant for them. If there is none, the error's code.
 */
export async function anyPort(
  hostname: string,
  isUnwanted = (port: number): boolean => port === DEFAULTS.port,
): Promise<number | string> {
  // With its streams it takes 4 ms to load, which the hook of the vendored file has not.
  const { createServer } = await import('node:net');
  const held: Server[] = [];
  try {
    for (;;) {
      const server = createServer();
      held.push(server);
      await once(server.listen(0, hostname), 'listening');
      const { port } = server.address() as AddressInfo;
      // One that is held is not offered again, so this ends.
      if (!isUnwanted(port)) return port;
    }
  } catch (error) {
    return errorCode(error);
  } finally {
    for (const server of held) server.close();
  }
}
