import type { IncomingMessage } from 'node:http';
import type { Transport } from '../connections/wire.js';
import type { ClientAddress } from '../handshake/client-address.js';
import type { HandshakeAttempt } from '../handshake/handshake.js';
import type { HandshakeGuards } from '../handshake/handshake-guards.js';
import { type Platform, prepareRequest, prepareResponse } from '../handshake/handshake-request.js';
import type { PathPattern } from '../handshake/path-pattern.js';
import { pathOf } from '../http/request-target.js';
import type { ClientHome } from './client-facade.js';

/** A gateway's place, whatever the transport that leads there. */
export interface Home extends ClientHome {
  readonly path: PathPattern;
  readonly guards: HandshakeGuards;
}

/** What the handshake looks at. */
export interface Attempt extends HandshakeAttempt {
  /** Undefined where no gateway listens. */
  readonly endpoint: Home | undefined;
  readonly address: string;
  readonly transport: Transport;
  readonly startedAt: number;
}

export interface AttemptSources {
  readonly addresses: ClientAddress;
  readonly platform: () => Platform;
}

/** DI token of the `AttemptSources`. */
export const ATTEMPT_SOURCES = Symbol('aerie:attempt-sources');

/** How somebody comes in: by which transport, to which gateway. */
export interface Way<At extends Home = Home> {
  readonly transport: Transport;
  readonly endpoint: At | undefined;
  /** Default: the request stays what Node made of it. */
  readonly prepare?: typeof prepareRequest;
}

/** Makes of a bare request what the handshake, guards and authenticators expect. */
export function attemptOf<At extends Home>(
  bare: IncomingMessage,
  { transport, endpoint, prepare = prepareRequest }: Way<At>,
  { addresses, platform: platformOf }: AttemptSources,
): Attempt & { readonly endpoint: At | undefined } {
  const platform = platformOf();
  const ip = addresses.of(bare);
  const params = endpoint?.path.match(pathOf(bare)) ?? {};
  const request = prepare(bare, { ip, params, transport }, platform);
  return {
    endpoint,
    request,
    response: prepareResponse(request, platform),
    address: ip,
    addressGroup: addresses.groupOf(ip),
    guards: endpoint?.guards,
    transport,
    startedAt: performance.now(),
  };
}
