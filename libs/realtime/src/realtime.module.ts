import {
  type DynamicModule,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { Server } from 'node:net';
import type { Server as HttpServer } from 'node:http';
import { ExternalContextCreator, HttpAdapterHost, ModuleRef, ModulesContainer } from '@nestjs/core';
import { CLOSE } from '@aerie/protocol';
import { ApiTarget } from './api/api-target.js';
import { ChannelAccess } from './channels/channel-access.js';
import { ChannelMessages } from './channels/channel-messages.js';
import { HistoryMessages } from './channels/history-messages.js';
import { PresenceMessages } from './channels/presence-messages.js';
import { ChannelRules } from './channels/channel-rules.js';
import { decoratedChannels } from './channels/decorated-channels.js';
import { Admission } from './connections/admission.js';
import { ConnectionRegistry } from './connections/connection-registry.js';
import { Descriptors } from './connections/descriptors.js';
import { Heartbeat } from './connections/heartbeat.js';
import { OutboxBudget } from './connections/outbox-budget.js';
import { Drain } from './drain/drain.js';
import { DriverConnections, driverToken } from './driver-token.js';
import { REALTIME_AUTH_OPTIONS } from './handshake/auth-options.js';
import { ClientAddress } from './handshake/client-address.js';
import { Caller } from './handshake/caller.js';
import { FailureCounter } from './handshake/failure-counter.js';
import { Handshake } from './handshake/handshake.js';
import { HandshakeLog } from './handshake/handshake-log.js';
import { OriginPolicy } from './handshake/origin.js';
import { Quarantine } from './handshake/quarantine.js';
import { ResumeProofs } from './handshake/resume-proofs.js';
import { SessionAuthentication } from './handshake/session-authentication.js';
import { SessionGuard } from './handshake/session.guard.js';
import { ticketRoute } from './handshake/ticket.route.js';
import { Tickets } from './handshake/tickets.js';
import { BackplaneWatch } from './health/backplane-watch.js';
import { ChannelHistories } from './history/channel-histories.js';
import { History } from './history/history.js';
import { NodeCursors } from './history/node-cursors.js';
import { Recovery } from './history/recovery.js';
import { ResyncNotices } from './history/resync-notices.js';
import { HttpEdge } from './http/http-edge.js';
import { SystemHandlers } from './messages/message-handlers.js';
import { registerPing } from './messages/ping.js';
import { RealtimeMetrics } from './metrics/meter.js';
import { NodePresence } from './presence/node-presence.js';
import { Backplane } from './publishing/backplane.js';
import { LocalFanout } from './publishing/local-fanout.js';
import { NodeCalls } from './publishing/node-calls.js';
import { NodeChannels } from './publishing/node-channels.js';
import { RealtimeNode } from './realtime-node.js';
import { REALTIME_OPTIONS, type RealtimeAsyncOptions, type RealtimeOptions } from './realtime.options.js';
import { RealtimeService } from './realtime.service.js';
import { Control } from './sessions/control.js';
import { Renewal } from './sessions/renewal.js';
import { RevocationLog } from './sessions/revocations.js';
import { SessionExpiry } from './sessions/session-expiry.js';
import { Sessions } from './sessions/sessions.js';
import { ATTEMPT_SOURCES } from './transports/attempt.js';
import { Entrance } from './transports/entrance.js';
import { RealtimeWsAdapter } from './transports/websocket/realtime-ws.adapter.js';
import { WebSocketTransport } from './transports/websocket/websocket-transport.js';
import { CONNECTIONS } from './wiring/connections.js';
import { HANDSHAKE } from './wiring/handshake.js';
import { NODE } from './wiring/node.js';
import { PORTS } from './wiring/ports.js';
import { PUBLISHING } from './wiring/publishing.js';
import { SESSIONS } from './wiring/sessions.js';
import { WEBSOCKET } from './wiring/websocket.js';

const EXPORTS = [
  Admission,
  ApiTarget,
  ATTEMPT_SOURCES,
  Backplane,
  BackplaneWatch,
  Caller,
  ChannelAccess,
  ChannelHistories,
  ChannelMessages,
  ClientAddress,
  ConnectionRegistry,
  Descriptors,
  Drain,
  Entrance,
  FailureCounter,
  Handshake,
  HandshakeLog,
  HttpEdge,
  NodeCalls,
  OriginPolicy,
  OutboxBudget,
  Quarantine,
  REALTIME_AUTH_OPTIONS,
  RealtimeMetrics,
  RealtimeService,
  REALTIME_OPTIONS,
  ResumeProofs,
  RevocationLog,
  SessionAuthentication,
  SessionGuard,
  Sessions,
  Tickets,
  WebSocketTransport,
];

/**
 * Aerie in an application: one import, and its gateway classes hold authenticated WebSockets that any node can reach. Global:
 * every module may inject `RealtimeService` and `ConnectionRegistry`.
 */
@Module({})
export class RealtimeModule implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  #node: RealtimeNode | undefined;

  constructor(private readonly modules: ModuleRef) {}

  static forRoot(options: RealtimeOptions): DynamicModule {
    return RealtimeModule.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: RealtimeAsyncOptions): DynamicModule {
    const options = { provide: REALTIME_OPTIONS, inject, useFactory };
    return {
      module: RealtimeModule,
      global: true,
      imports,
      providers: [
        options,
        ...PORTS,
        ...CONNECTIONS,
        ...HANDSHAKE,
        ...PUBLISHING,
        ...SESSIONS,
        ...WEBSOCKET,
        ...NODE,
      ],
      exports: EXPORTS,
    };
  }

  async onModuleInit(): Promise<void> {
    this.#registerHandlers();
    this.#registerChannels();
    this.#mountTickets();
    this.#endQuarantineAtDrain();
    this.#node = this.#assembleNode();
    await this.#node.start();
  }

  async onApplicationBootstrap(): Promise<void> {
    // A worker, or a testing module that is initialised by itself, has no HTTP platform.
    const { httpAdapter } = this.#get<Partial<HttpAdapterHost>>(HttpAdapterHost);
    const server: unknown = httpAdapter?.getHttpServer();
    if (server instanceof Server) {
      this.#get(Descriptors).watch(server);
      this.#get(HttpEdge).attach(server as HttpServer);
    }
    await this.#get(RealtimeWsAdapter).openOwnPorts();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#node?.stop();
  }

  #registerHandlers(): void {
    const handlers = this.#get(SystemHandlers);
    const transport = this.#get(WebSocketTransport);
    registerPing(handlers);
    this.#get(ChannelMessages).register(handlers);
    this.#get(HistoryMessages).register(handlers);
    this.#get(PresenceMessages).register(handlers);
    new Renewal({
      authenticate: (connection, data) => transport.renew(connection, data),
      access: this.#get(ChannelAccess),
      channels: this.#get(NodeChannels),
      expiry: this.#get(SessionExpiry),
      sessions: this.#get(Sessions),
    }).register(handlers);
  }

  #registerChannels(): void {
    const rules = this.#get(ChannelRules);
    const transport = this.#get(WebSocketTransport);
    const decorated = decoratedChannels({
      modules: this.#get(ModulesContainer),
      contexts: this.#get(ExternalContextCreator),
      clientOf: ({ connection, visitor }) => visitor ?? (connection && transport.clientOf(connection)),
    });
    for (const rule of [...(this.#options.channels ?? []), ...decorated]) rules.add(rule);
  }

  #mountTickets(): void {
    if (this.#options.tickets !== true) return;
    const route = ticketRoute({ caller: this.#get(Caller), tickets: this.#get(Tickets) });
    this.#get(HttpEdge).add(route);
  }

  // Who has not said who it is has nothing to be given away: it comes back elsewhere at once.
  #endQuarantineAtDrain(): void {
    this.#get(Drain).onPhase((phase) => {
      if (phase === 'draining') this.#get(Quarantine).clear(CLOSE.goingAway);
    });
  }

  #assembleNode(): RealtimeNode {
    return new RealtimeNode({
      registry: this.#get(ConnectionRegistry),
      heartbeat: this.#get(Heartbeat),
      budget: this.#get(OutboxBudget),
      quarantine: this.#get(Quarantine),
      edge: this.#get(HttpEdge),
      metrics: this.#get(RealtimeMetrics),
      backplane: this.#get(Backplane),
      history: this.#get(ChannelRules).keepsHistory ? this.#get(History) : undefined,
      failures: this.#get(FailureCounter),
      revocations: this.#get(RevocationLog),
      fanout: this.#get(LocalFanout),
      channels: this.#get(NodeChannels),
      calls: this.#get(NodeCalls),
      cursors: this.#get(NodeCursors),
      recovery: this.#get(Recovery),
      notices: this.#get(ResyncNotices),
      presence: this.#get(NodePresence),
      control: this.#get(Control),
      sessions: this.#get(Sessions),
      expiry: this.#get(SessionExpiry),
      connections: this.#driverConnections(),
    });
  }

  get #options(): RealtimeOptions {
    return this.modules.get<RealtimeOptions>(REALTIME_OPTIONS);
  }

  #driverConnections(): DriverConnections | undefined {
    try {
      return this.modules.get<DriverConnections>(driverToken(DriverConnections), { strict: false });
    } catch {
      return undefined;
    }
  }

  #get<Part>(token: abstract new (...args: never[]) => Part): Part {
    return this.modules.get<Part>(token, { strict: false });
  }
}
