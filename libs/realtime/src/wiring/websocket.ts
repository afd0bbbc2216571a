import type { Server } from 'node:http';
import type { Provider, WebSocketAdapter } from '@nestjs/common';
import { ApplicationConfig, ExternalContextCreator, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Heartbeat } from '../connections/heartbeat.js';
import { OutboxBudget } from '../connections/outbox-budget.js';
import { oweAnswer } from '../connections/owed-answer.js';
import { Handshake } from '../handshake/handshake.js';
import type { GuardSources } from '../handshake/handshake-guards.js';
import { HandshakeLog } from '../handshake/handshake-log.js';
import { OriginPolicy } from '../handshake/origin.js';
import { Quarantine } from '../handshake/quarantine.js';
import { NodeCursors } from '../history/node-cursors.js';
import { HttpEdge } from '../http/http-edge.js';
import { SystemHandlers } from '../messages/message-handlers.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { NodeChannels } from '../publishing/node-channels.js';
import { heartbeatOf, limitsOf, REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { NODE_NAME } from '../sessions/node-lease.js';
import { Sessions } from '../sessions/sessions.js';
import { ATTEMPT_SOURCES, type AttemptSources } from '../transports/attempt.js';
import { AdapterSwitch } from '../transports/websocket/adapter-switch.js';
import { Entrance } from '../transports/entrance.js';
import { Greeting } from '../transports/greeting.js';
import { Framings } from '../transports/websocket/framings.js';
import { RealtimeWsAdapter } from '../transports/websocket/realtime-ws.adapter.js';
import { WebSocketTransport } from '../transports/websocket/websocket-transport.js';

const GUARD_SOURCES = Symbol('aerie:guard-sources');
/** The WebSocket transport, and its place in the application: one adapter beside any other. */
export const WEBSOCKET: readonly Provider[] = [
  {
    provide: HttpEdge,
    inject: [OriginPolicy, Admission, OutboxBudget],
    useFactory: (origins: OriginPolicy, admission: Admission, budget: OutboxBudget) =>
      new HttpEdge({
        origins,
        closing: () => admission.state === 'closed',
        owed: (response, payload) => oweAnswer(budget, response, payload),
      }),
  },
  {
    provide: GUARD_SOURCES,
    inject: [ExternalContextCreator, ModulesContainer, ApplicationConfig],
    useFactory: (
      contexts: ExternalContextCreator,
      modules: ModulesContainer,
      config: ApplicationConfig,
    ): GuardSources => ({ contexts, modules, config }),
  },
  {
    provide: Greeting,
    inject: [NODE_NAME, REALTIME_OPTIONS, SystemHandlers, NodeChannels, NodeCursors, RealtimeMetrics],
    useFactory: greeting,
  },
  {
    provide: Entrance,
    inject: [
      REALTIME_OPTIONS,
      ConnectionRegistry,
      Heartbeat,
      OutboxBudget,
      RealtimeMetrics,
      HandshakeLog,
      Greeting,
      Sessions,
    ],
    useFactory: entrance,
  },
  {
    provide: WebSocketTransport,
    inject: [HttpEdge, Handshake, Quarantine, ATTEMPT_SOURCES, OriginPolicy, HandshakeLog, Entrance],
    useFactory: transport,
  },
  {
    provide: RealtimeWsAdapter,
    inject: [REALTIME_OPTIONS, WebSocketTransport, GUARD_SOURCES, HttpAdapterHost],
    useFactory: (
      options: RealtimeOptions,
      sockets: WebSocketTransport,
      guards: GuardSources,
      host: HttpAdapterHost,
    ) =>
      new RealtimeWsAdapter({
        transport: sockets,
        guards,
        httpServer: () => serverOf(host),
        maxFrameBytes: limitsOf(options).maxFrameBytes,
        framings: new Framings(options.compression),
      }),
  },
  {
    provide: AdapterSwitch,
    inject: [REALTIME_OPTIONS, RealtimeWsAdapter, ApplicationConfig, HttpAdapterHost],
    useFactory: adapterSwitch,
  },
];

function greeting(
  node: string,
  options: RealtimeOptions,
  system: SystemHandlers,
  channels: NodeChannels,
  cursors: NodeCursors,
  metrics: RealtimeMetrics,
): Greeting {
  const {
    messagesPerSecond,
    messagesBurst: burst,
    concurrency,
    handlerDeadlineMs: deadlineMs,
  } = limitsOf(options);
  const limits = { messagesPerSecond, burst, concurrency, deadlineMs };
  return new Greeting({
    node,
    heartbeat: heartbeatOf(options),
    limits,
    system,
    channels,
    positionOf: (channel) => cursors.get(channel)?.position,
    metrics,
  });
}

function entrance(
  options: RealtimeOptions,
  registry: ConnectionRegistry,
  heartbeat: Heartbeat,
  budget: OutboxBudget,
  metrics: RealtimeMetrics,
  log: HandshakeLog,
  greeter: Greeting,
  { gate }: Sessions,
): Entrance {
  const { outboxBytes, maxConnectionsPerUser } = limitsOf(options);
  return new Entrance({
    registry,
    heartbeat,
    budget,
    metrics,
    log,
    greeter,
    gate,
    outboxBytes,
    maxConnectionsPerUser,
  });
}

function transport(
  edge: HttpEdge,
  handshake: Handshake,
  quarantine: Quarantine,
  sources: AttemptSources,
  origins: OriginPolicy,
  log: HandshakeLog,
  entry: Entrance,
): WebSocketTransport {
  return new WebSocketTransport({
    edge,
    handshake,
    quarantine,
    ...sources,
    origins,
    log,
    entrance: entry,
  });
}

async function adapterSwitch(
  options: RealtimeOptions,
  aerie: RealtimeWsAdapter,
  config: ApplicationConfig,
  host: HttpAdapterHost,
): Promise<AdapterSwitch> {
  const { paths = ['/ws'] } = options;
  const adapter = new AdapterSwitch({
    aerie,
    paths,
    fallback: await socketIo(),
    httpServer: () => serverOf(host),
  });
  adapter.install(config);
  return adapter;
}

// What Nest takes by itself where no adapter is set: gateways that were socket.io's stay so.
async function socketIo(): Promise<((server: Server) => WebSocketAdapter) | undefined> {
  try {
    const { IoAdapter } = await import('@nestjs/platform-socket.io');
    return (server) => new IoAdapter(server);
  } catch {
    return undefined;
  }
}

function serverOf(host: HttpAdapterHost): Server {
  return host.httpAdapter.getHttpServer() as Server;
}
