import { type DynamicModule, type FactoryProvider, Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ChannelAccess } from '../channels/channel-access.js';
import { ChannelMessages } from '../channels/channel-messages.js';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Caller } from '../handshake/caller.js';
import { Handshake } from '../handshake/handshake.js';
import { HandshakeLog } from '../handshake/handshake-log.js';
import { OriginPolicy } from '../handshake/origin.js';
import { ResumeProofs } from '../handshake/resume-proofs.js';
import { SessionAuthentication } from '../handshake/session-authentication.js';
import { ChannelHistories } from '../history/channel-histories.js';
import { HttpEdge } from '../http/http-edge.js';
import { UserBudgets } from '../messages/user-budgets.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { NodeCalls } from '../publishing/node-calls.js';
import { limitsOf, REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { Sessions } from '../sessions/sessions.js';
import { ATTEMPT_SOURCES, type AttemptSources } from './attempt.js';
import { Entrance } from './entrance.js';
import { gatewayHome, gatewayPath } from './gateway-home.js';
import { HttpDoor } from './http-door.js';
import { HttpEntrance } from './http-entrance.js';
import { HttpLinks } from './http-links.js';
import { LongPolling } from './long-polling/long-polling.js';
import { ShortPolling } from './short-polling/short-polling.js';
import { SseTransport } from './sse/sse-transport.js';
import { TransportRoutes } from './transport-routes.js';
import {
  REALTIME_TRANSPORTS_OPTIONS,
  type RealtimeTransportsAsyncOptions,
  type RealtimeTransportsOptions,
} from './transports-options.js';
import { Upstream } from './upstream.js';
import { WebSocketTransport } from './websocket/websocket-transport.js';

const door: FactoryProvider<HttpDoor> = {
  provide: HttpDoor,
  inject: [
    REALTIME_TRANSPORTS_OPTIONS,
    REALTIME_OPTIONS,
    Handshake,
    HandshakeLog,
    ATTEMPT_SOURCES,
    WebSocketTransport,
    HttpAdapterHost,
  ],
  useFactory: (
    { gateway }: RealtimeTransportsOptions,
    realtime: RealtimeOptions,
    handshake: Handshake,
    log: HandshakeLog,
    sources: AttemptSources,
    sockets: WebSocketTransport,
    host: HttpAdapterHost,
  ) => {
    const home = gatewayHome(gatewayPath(gateway, realtime), sockets, host);
    return new HttpDoor({ ...sources, handshake, log, home });
  },
};

const links: FactoryProvider<HttpLinks> = {
  provide: HttpLinks,
  inject: [ConnectionRegistry, Sessions, NodeCalls],
  useFactory: (registry: ConnectionRegistry, sessions: Sessions, calls: NodeCalls) =>
    new HttpLinks({ registry, sessions, calls }),
};

const entrance: FactoryProvider<HttpEntrance> = {
  provide: HttpEntrance,
  inject: [Entrance, HttpLinks, ChannelMessages, SessionAuthentication, ResumeProofs],
  useFactory: (
    entry: Entrance,
    held: HttpLinks,
    channels: ChannelMessages,
    authentication: SessionAuthentication,
    proofs: ResumeProofs,
  ) => new HttpEntrance({ entrance: entry, links: held, channels, authentication, proofs }),
};

const upstream: FactoryProvider<Upstream> = {
  provide: Upstream,
  inject: [REALTIME_OPTIONS, Caller, HttpLinks],
  useFactory: (options: RealtimeOptions, caller: Caller, held: HttpLinks) =>
    new Upstream({ caller, links: held, maxFrameBytes: limitsOf(options).maxFrameBytes }),
};

const sse: FactoryProvider<SseTransport> = {
  provide: SseTransport,
  inject: [HttpDoor, HttpEntrance, OriginPolicy],
  useFactory: (entry: HttpDoor, inside: HttpEntrance, origins: OriginPolicy) =>
    new SseTransport({ door: entry, entrance: inside, origins }),
};

const longPolling: FactoryProvider<LongPolling> = {
  provide: LongPolling,
  inject: [HttpDoor, HttpEntrance, HttpLinks, Caller, Admission],
  useFactory: (
    entry: HttpDoor,
    inside: HttpEntrance,
    held: HttpLinks,
    caller: Caller,
    admission: Admission,
  ) => new LongPolling({ door: entry, entrance: inside, links: held, caller, admission }),
};

const shortPolling: FactoryProvider<ShortPolling> = {
  provide: ShortPolling,
  inject: [REALTIME_OPTIONS, HttpDoor, ChannelAccess, ChannelHistories, RealtimeMetrics],
  useFactory: (
    options: RealtimeOptions,
    entry: HttpDoor,
    access: ChannelAccess,
    histories: ChannelHistories,
    metrics: RealtimeMetrics,
  ) => {
    const { messagesPerSecond, messagesBurst: burst } = limitsOf(options);
    const budgets = new UserBudgets({ messagesPerSecond, burst });
    return new ShortPolling({ door: entry, access, histories, budgets, metrics });
  },
};

const routes: FactoryProvider<TransportRoutes> = {
  provide: TransportRoutes,
  inject: [REALTIME_TRANSPORTS_OPTIONS, HttpEdge, Upstream, SseTransport, LongPolling, ShortPolling],
  useFactory: (
    { prefix = '', ...on }: RealtimeTransportsOptions,
    edge: HttpEdge,
    sends: Upstream,
    streams: SseTransport,
    polls: LongPolling,
    reads: ShortPolling,
  ) =>
    new TransportRoutes(edge, [
      sends.route(`${prefix}/send`),
      ...(on.sse === false ? [] : [streams.route(`${prefix}/sse`)]),
      ...(on.longPolling === false ? [] : polls.routes(`${prefix}/poll`)),
      ...(on.shortPolling === false ? [] : [reads.route(`${prefix}/events`)]),
    ]),
};

/**
 * The transports beside WebSocket, for clients that can't open one: the same handshake, sessions, channels and limits. Needs
 * `RealtimeModule`.
 */
@Module({})
export class RealtimeTransportsModule {
  static forRoot(options: RealtimeTransportsOptions = {}): DynamicModule {
    return this.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({
    imports = [],
    inject = [],
    useFactory,
  }: RealtimeTransportsAsyncOptions): DynamicModule {
    const options: FactoryProvider<RealtimeTransportsOptions> = {
      provide: REALTIME_TRANSPORTS_OPTIONS,
      inject,
      useFactory,
    };
    return {
      module: RealtimeTransportsModule,
      imports,
      providers: [options, door, links, entrance, upstream, sse, longPolling, shortPolling, routes],
    };
  }
}
