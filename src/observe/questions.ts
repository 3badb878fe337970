import type { Socket } from 'node:net';

/* Which connections of this process only ask a server something, so that no other one is taken for a question. */

const open = new Map<Socket, number>();

/** The local ports of the questions that are under way. */
export const questionPorts = (): ReadonlySet<number> => new Set(open.values());

export function noteQuestion(socket: Socket): void {
  socket.once('connect', () => open.set(socket, socket.localPort ?? 0));
  socket.once('close', () => forgetQuestion(socket));
}

export const forgetQuestion = (socket: Socket): boolean => open.delete(socket);
