import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { onTestFinished } from 'vitest';

/*
 * Servers in this process that answer as they are told: what a real one says only when in trouble, or in a release that
 * cannot be installed here.
 */

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;
/** By path, without the query. Any other path answers 404. */
export type Routes = Readonly<Record<string, Handler>>;

export interface Listening {
  readonly host: string;
  readonly port: number;
}

export interface HandMade extends Listening {
  /** What it was asked so far, in order. */
  readonly asked: readonly URL[];
}

const urlOf = (request: IncomingMessage): URL => new URL(request.url ?? '', 'http://hand.made');
const queryOf = (request: IncomingMessage, name: string): string | null => urlOf(request).searchParams.get(name);

const listen = async (server: Server | TcpServer): Promise<Listening> => {
  const sockets = new Set<Socket>();
  // The client closes with a reset.
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
};

/** No session has a message unless one is routed. */
const isMessages = (path: string): boolean => /^\/session\/[^/]+\/message$/.test(path);

/** Listens until the test is over. */
export const handMade = async (routes: Routes): Promise<HandMade> => {
  const asked: URL[] = [];
  const server = createServer((request, response) => {
    const url = urlOf(request);
    asked.push(url);
    (routes[url.pathname] ?? (isMessages(url.pathname) ? json([]) : notFound))(request, response);
  });
  return { ...(await listen(server)), asked };
};

/** A server that does not speak HTTP. */
export const handMadeStranger = (greeting: string): Promise<Listening> =>
  listen(createTcpServer((socket) => socket.on('error', () => undefined).end(greeting)));

export const says =
  (type: string, text: string, status = 200, headers: Record<string, string> = {}): Handler =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(text);
  };

export const json = (body: unknown, status = 200): Handler =>
  says('application/json; charset=utf-8', JSON.stringify(body), status);

/** From 1.14 on, the answer to every path that a release does not know. */
export const webPage: Handler = says('text/html; charset=utf-8', '<!doctype html><title>OpenCode</title>');
export const notFound: Handler = says('text/plain', '404 Not Found', 404);
export const denied = (realm: string): Handler =>
  says('text/plain', '', 401, { 'www-authenticate': `Basic realm="${realm}"` });
export const never: Handler = () => undefined;

export const redirect =
  (location: string): Handler =>
  (_request, response) => {
    response.writeHead(302, { location, 'content-type': 'application/json' });
    response.end('{}');
  };

/** One byte at a time, for as long as the client listens. */
export const drip =
  (type: string): Handler =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': type });
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  };

/** Announces more than it sends, and closes the connection. */
export const breakOff: Handler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('[', () => response.destroy());
};

/** Answers by the directory in the question; without one, for `own`. */
export const byDirectory =
  (statuses: Readonly<Record<string, unknown>>): Handler =>
  (request, response) =>
    json(statuses[queryOf(request, 'directory') ?? 'own'] ?? {})(request, response);

export interface Listed {
  readonly id: string;
  readonly directory: string;
  readonly time: { readonly updated: number };
  readonly archived?: boolean;
}

/** Hides archived sessions unless they are asked for, and never lists more than it is asked for. */
export const sessionList =
  (sessions: readonly Listed[]): Handler =>
  (request, response) => {
    const listed = sessions.filter(({ archived }) => !archived || queryOf(request, 'archived') === 'true');
    json(listed.slice(0, Number(queryOf(request, 'limit') ?? 100)))(request, response);
  };

/** An idle 1.18 without sessions, except for these routes. */
export const first = (routes: Routes = {}): Routes => ({
  '/global/health': json({ healthy: true, version: '1.18.33' }),
  '/experimental/session': sessionList([]),
  '/session/status': json({}),
  '/project': json([]),
  ...routes,
});

/** Answers for the directory that is asked about; nothing runs in the others. */
export const inDirectory =
  (running: Readonly<Record<string, readonly unknown[]>> = {}): Handler =>
  (request, response) => {
    const directory = queryOf(request, 'location[directory]') ?? 'its own';
    json({ location: { directory }, data: running[directory] ?? [] })(request, response);
  };

/** An idle OpenCode 2 that has loaded nothing, except for these routes. It answers the old paths with its web page. */
export const second = (routes: Routes = {}): Routes => ({
  '/global/health': webPage,
  '/session/status': webPage,
  '/api/info': json({ version: '2.0.22', pid: 4242 }),
  '/api/session/active': json({ data: {} }),
  '/api/session': json({ data: [], cursor: { previous: null, next: null } }),
  '/api/debug/location': json([]),
  '/api/shell': inDirectory(),
  '/api/pty': inDirectory(),
  ...routes,
});

/** Behind the password, as 1.14 and later guard every path. */
export const guarded = (routes: Routes, password: string): Routes => {
  const wanted = `Basic ${btoa(`opencode:${password}`)}`;
  const guard =
    (handler: Handler): Handler =>
    (request, response) =>
      (request.headers.authorization === wanted ? handler : denied('Secure Area'))(request, response);
  return Object.fromEntries(Object.entries(routes).map(([path, handler]) => [path, guard(handler)]));
};
