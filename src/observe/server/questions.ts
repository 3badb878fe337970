import type { Socket } from 'node:net';

/* Which connections of this process only ask a server something, so that no other one is taken for a question. */

const open = new Set<Socket>();

/** The local ports of the questions that are under way. */
export const questionPorts = (): ReadonlySet<number> => new Set([...open].flatMap(({ localPort }) => localPort ?? []));

export function noteQuestion(socket: Socket): void {
  socket.once('connect', () => open.add(socket));
  socket.once('close', () => forgetQuestion(socket));
}

/** Ends them as they end by themselves: a process that only exits leaves rows, by which its servers count as used. */
export function endQuestions(): void {
  for (const socket of open) socket.resetAndDestroy();
}

export const forgetQuestion = (socket: Socket): boolean => open.delete(socket);
