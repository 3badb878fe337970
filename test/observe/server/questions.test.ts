import { expect, test } from 'vitest';
import { ask } from '../../../src/observe/server/http.js';
import { endQuestions, questionPorts } from '../../../src/observe/server/questions.js';
import { handMade, json, type Routes } from '../../support/hand-made.js';

const addressOf = ({ host, port }: { readonly host: string; readonly port: number }) => ({
  host,
  port,
  username: undefined,
  password: undefined,
});

/** Answers by what happens while it is asked. */
const whileAsked = (happens: (port: number) => void): Routes => ({
  '/': (request, response) => {
    happens(request.socket.remotePort ?? 0);
    json({})(request, response);
  },
});

test('the port of a question is known from when it is asked until it is answered', async () => {
  const seen: unknown[] = [];
  const server = await handMade(whileAsked((port) => seen.push(port, [...questionPorts()])));
  expect(await ask(addressOf(server), { path: '/', deadlineMs: 20_000 })).toMatchObject({ kind: 'json' });
  const [port] = seen;
  expect([port, seen]).toEqual([expect.any(Number), [port, [port]]]);
  expect([...questionPorts()]).toEqual([]);
});

test('whoever ends all questions ends those that are under way, and is told so', async () => {
  const server = await handMade(whileAsked(endQuestions));
  expect(await ask(addressOf(server), { path: '/', deadlineMs: 20_000 })).toMatchObject({ kind: 'refused' });
  expect([...questionPorts()]).toEqual([]);
});
