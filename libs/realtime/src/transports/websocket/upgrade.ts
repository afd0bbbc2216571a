import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ClientAddress } from '../../handshake/client-address.js';
import type { HandshakeAttempt } from '../../handshake/handshake.js';
import {
  type Platform,
  prepareRequest,
  prepareResponse,
  requestOfUpgrade,
} from '../../handshake/handshake-request.js';
import { pathOf } from '../../http/request-target.js';
import { destroyOnError, type Endpoint } from './endpoint.js';

/** An upgrade as the HTTP server hands it over. */
export interface RawUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** What the handshake looks at. */
export interface Attempt extends HandshakeAttempt {
  readonly endpoint: Endpoint | undefined;
  readonly address: string;
}

/** An upgrade on its way through the handshake. */
export interface Upgrade extends Attempt {
  /** The request as Node read it. */
  readonly bare: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly startedAt: number;
}

export interface AttemptSources {
  readonly addresses: ClientAddress;
  readonly platform: () => Platform;
}

/** Makes of a bare request what the handshake, guards and authenticators expect. */
export function attemptOf(
  bare: IncomingMessage,
  endpoint: Endpoint | undefined,
  sources: AttemptSources,
): Attempt {
  return attempt(bare, endpoint, { sources, prepare: prepareRequest });
}

function attempt(
  bare: IncomingMessage,
  endpoint: Endpoint | undefined,
  { sources, prepare }: { sources: AttemptSources; prepare: typeof prepareRequest },
): Attempt {
  const { addresses } = sources;
  const platform = sources.platform();
  const ip = addresses.of(bare);
  const params = endpoint?.path.match(pathOf(bare)) ?? {};
  const request = prepare(bare, { ip, params }, platform);
  return {
    endpoint,
    request,
    response: prepareResponse(request, platform),
    address: ip,
    addressGroup: addresses.groupOf(ip),
    guards: endpoint?.guards,
  };
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
      ...attempt(bare, endpoint, { sources, prepare: requestOfUpgrade }),
      bare,
      socket,
      head,
      startedAt: performance.now(),
    };
  socket.destroy();
  return undefined;
}
