import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { refusalReply, respond } from '../../http/respond.js';
import type { Refusal } from '../../refusal.js';

export interface RefusalAnswer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly refusal: Refusal;
  readonly headers: Readonly<Record<string, string>>;
}

const LINGER_MS = 2_000;

/** Answers a refused upgrade with a real HTTP response and ends the socket. Does nothing where the client has gone. */
export function writeRefusal({ request, response, socket, refusal, headers }: RefusalAnswer): void {
  if (socket.destroyed || !socket.writable) return;
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => endSocket(response, socket));
  // A guard may have answered by itself: then only the end is ours.
  if (response.headersSent) {
    if (!response.writableEnded) response.end();
    return;
  }
  const version = refusal.status === 426 ? { 'sec-websocket-version': '13' } : {};
  respond({
    request,
    response,
    reply: refusalReply(refusal),
    headers: { ...headers, ...version },
    close: true,
  });
}

// A client that never closes its side is cut, so that a refusal costs no descriptor for long.
function endSocket(response: ServerResponse, socket: Socket): void {
  response.detachSocket(socket);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.resume();
  socket.end();
}
