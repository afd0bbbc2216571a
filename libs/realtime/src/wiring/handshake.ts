import type { Provider } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { type AuthOptions, REALTIME_AUTH_OPTIONS } from '../handshake/auth-options.js';
import { Authenticator } from '../handshake/authenticator.js';
import { Caller } from '../handshake/caller.js';
import { ClientAddress } from '../handshake/client-address.js';
import { ConfiguredAuthenticator } from '../handshake/configured-authenticator.js';
import { CredentialCheck } from '../handshake/credential-check.js';
import { FailureCounter } from '../handshake/failure-counter.js';
import { Handshake } from '../handshake/handshake.js';
import type { Platform } from '../handshake/handshake-request.js';
import { HandshakeLog } from '../handshake/handshake-log.js';
import { OriginPolicy } from '../handshake/origin.js';
import { Quarantine } from '../handshake/quarantine.js';
import { assertStrongSecret } from '../handshake/secret-verifier.js';
import { ResumeProofs } from '../handshake/resume-proofs.js';
import { SessionAuthentication } from '../handshake/session-authentication.js';
import { SessionGuard } from '../handshake/session.guard.js';
import { TicketStore } from '../handshake/ticket-store.js';
import { Tickets } from '../handshake/tickets.js';
import { HttpEdge } from '../http/http-edge.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { limitsOf, REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { Sessions } from '../sessions/sessions.js';
import { ATTEMPT_SOURCES, attemptOf, type AttemptSources } from '../transports/attempt.js';

/** The first road up to the door: who asks, and whether it may come in. */
export const HANDSHAKE: readonly Provider[] = [
  { provide: REALTIME_AUTH_OPTIONS, inject: [REALTIME_OPTIONS], useFactory: authOptions },
  { provide: Authenticator, useClass: ConfiguredAuthenticator },
  { provide: Tickets, inject: [TicketStore], useFactory: (store: TicketStore) => new Tickets(store) },
  CredentialCheck,
  {
    provide: ResumeProofs,
    inject: [REALTIME_AUTH_OPTIONS],
    useFactory: (auth: AuthOptions) => new ResumeProofs(resumeSecrets(auth)),
  },
  SessionAuthentication,
  SessionGuard,
  {
    provide: Caller,
    inject: [SessionAuthentication, OriginPolicy, FailureCounter, ATTEMPT_SOURCES],
    useFactory: caller,
  },
  {
    provide: ClientAddress,
    inject: [REALTIME_OPTIONS],
    useFactory: ({ trustProxy }: RealtimeOptions) =>
      new ClientAddress(trustProxy === undefined ? {} : { trustProxy }),
  },
  {
    provide: OriginPolicy,
    inject: [REALTIME_OPTIONS, ClientAddress],
    useFactory: ({ origins }: RealtimeOptions, addresses: ClientAddress) =>
      new OriginPolicy({
        ...(origins?.allowed !== undefined && { allowed: origins.allowed }),
        require: origins?.require ?? false,
        isProxied: (request) => addresses.isProxied(request),
      }),
  },
  {
    provide: Quarantine,
    inject: [REALTIME_OPTIONS],
    useFactory: (options: RealtimeOptions) => new Quarantine({ capacity: limitsOf(options).maxQuarantine }),
  },
  {
    provide: HandshakeLog,
    inject: [RealtimeMetrics],
    useFactory: (metrics: RealtimeMetrics) => new HandshakeLog(metrics),
  },
  {
    provide: Handshake,
    inject: [
      REALTIME_OPTIONS,
      Admission,
      FailureCounter,
      OriginPolicy,
      SessionAuthentication,
      SessionGuard,
      ConnectionRegistry,
      Sessions,
      HttpEdge,
    ],
    useFactory: handshake,
  },
  {
    provide: ATTEMPT_SOURCES,
    inject: [ClientAddress, HttpAdapterHost],
    useFactory: attemptSources,
  },
];

function authOptions({
  auth,
  production = process.env['NODE_ENV'] === 'production',
}: RealtimeOptions): AuthOptions {
  if ('jwt' in auth)
    for (const secret of [auth.jwt.secret, auth.jwt.previousSecret])
      if (secret !== undefined) assertStrongSecret(secret, production);
  if (auth.resumeSecret !== undefined) assertStrongSecret(auth.resumeSecret, production);
  return auth;
}

function resumeSecrets(auth: AuthOptions): readonly string[] {
  const { secret, previousSecret } = 'jwt' in auth ? auth.jwt : {};
  const given = auth.resumeSecret === undefined ? [secret, previousSecret] : [auth.resumeSecret];
  return given.filter((known) => known !== undefined);
}

function handshake(
  options: RealtimeOptions,
  admission: Admission,
  failures: FailureCounter,
  origins: OriginPolicy,
  authentication: SessionAuthentication,
  sessionGuard: SessionGuard,
  registry: ConnectionRegistry,
  { places }: Sessions,
  edge: HttpEdge,
): Handshake {
  const { maxConnectionsPerUser, userOverflow } = limitsOf(options);
  const { auth } = options;
  return new Handshake({
    admission,
    failures,
    origins,
    authentication,
    sessionGuard,
    registry,
    places,
    accepted: () => edge.accepted,
    firstMessage: auth.firstMessage ?? 'jwt' in auth,
    maxConnectionsPerUser,
    overflow: userOverflow,
  });
}

function caller(
  authentication: SessionAuthentication,
  origins: OriginPolicy,
  failures: FailureCounter,
  sources: AttemptSources,
): Caller {
  const { addresses } = sources;
  return new Caller({
    authentication,
    origins,
    failures,
    prepare: (request) =>
      attemptOf(request, { transport: 'websocket', endpoint: undefined }, sources).request,
    addressGroupOf: (request) => addresses.groupOf(addresses.of(request)),
  });
}

function attemptSources(addresses: ClientAddress, host: HttpAdapterHost): AttemptSources {
  let known: Platform | undefined;
  return { addresses, platform: () => (known ??= platformOf(host)) };
}

// Express keeps the prototypes of its requests and responses on the application; Fastify has none that would fit.
function platformOf({ httpAdapter }: HttpAdapterHost): Platform {
  const app: unknown = httpAdapter.getInstance();
  if (httpAdapter.getType() !== 'express' || typeof app !== 'function') return {};
  const { request, response } = app as { request?: unknown; response?: unknown };
  return isObject(request) && isObject(response) ? { request, response } : {};
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
