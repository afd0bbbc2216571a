import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { requestOfUpgrade } from '../../handshake/handshake-request.js';
import { type Attempt, attemptOf, type AttemptSources } from '../attempt.js';
import { destroyOnError, type Endpoint } from './endpoint.js';

/** An upgrade as the HTTP server hands it over. */
export interface RawUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** An upgrade on its way through the handshake. */
export interface Upgrade extends Attempt {
  readonly endpoint: Endpoint | undefined;
  /** The request as Node read it. */
  readonly bare: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
}

/** Undefined where the upgrade did not come on a network socket, which is then destroyed. */
export function upgradeOf(
  raw: RawUpgrade,
  endpoint: Endpoint | undefined,
  sources: AttemptSources,
): Upgrade | undefined {
  const { request: bare, socket, head } = raw;
  socket.on('error', destroyOnError);
  if (socket instanceof Socket)
    return {
      ...attemptOf(bare, { transport: 'websocket', endpoint, prepare: requestOfUpgrade }, sources),
      bare,
      socket,
      head,
    };
  socket.destroy();
  return undefined;
}
