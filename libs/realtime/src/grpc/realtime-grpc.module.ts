import { type DynamicModule, type FactoryProvider, Module } from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { ApiTarget } from '../api/api-target.js';
import { Admission } from '../connections/admission.js';
import { Descriptors } from '../connections/descriptors.js';
import { Drain } from '../drain/drain.js';
import { Handshake } from '../handshake/handshake.js';
import { HandshakeLog } from '../handshake/handshake-log.js';
import { Readiness } from '../health/readiness.js';
import { REALTIME_OPTIONS, type RealtimeOptions } from '../realtime.options.js';
import { ATTEMPT_SOURCES, type AttemptSources } from '../transports/attempt.js';
import { Entrance } from '../transports/entrance.js';
import { gatewayHome, gatewayPath } from '../transports/gateway-home.js';
import { GrpcTransport } from '../transports/grpc/grpc-transport.js';
import { WebSocketTransport } from '../transports/websocket/websocket-transport.js';
import { DESCRIPTORS } from './descriptors.js';
import { GrpcLifecycle } from './grpc-lifecycle.js';
import {
  REALTIME_GRPC_OPTIONS,
  type RealtimeGrpcAsyncOptions,
  type RealtimeGrpcOptions,
} from './grpc-options.js';
import { type GrpcMethod, GrpcServer } from './grpc-server.js';
import { healthMethods } from './health-methods.js';
import { publishMethod } from './publish-method.js';
import { reflectionMethods } from './reflection-methods.js';

const SERVICE = 'aerie.v1.Realtime';
const IS_READY = Symbol('aerie:grpc-is-ready');

const transport: FactoryProvider<GrpcTransport> = {
  provide: GrpcTransport,
  inject: [
    REALTIME_GRPC_OPTIONS,
    REALTIME_OPTIONS,
    Handshake,
    HandshakeLog,
    Entrance,
    ATTEMPT_SOURCES,
    WebSocketTransport,
    HttpAdapterHost,
  ],
  useFactory: (
    { gateway }: RealtimeGrpcOptions,
    realtime: RealtimeOptions,
    handshake: Handshake,
    log: HandshakeLog,
    entrance: Entrance,
    sources: AttemptSources,
    sockets: WebSocketTransport,
    host: HttpAdapterHost,
  ) => {
    const homePath = gatewayPath(gateway, realtime);
    const home = gatewayHome(homePath, sockets, host);
    return new GrpcTransport({ ...sources, handshake, log, entrance, home, homePath });
  },
};

const isReady: FactoryProvider<() => boolean> = {
  provide: IS_READY,
  inject: [ModuleRef, Drain, Admission],
  useFactory: (modules: ModuleRef, drain: Drain, admission: Admission) => () =>
    readinessIn(modules)?.isReady() ?? (drain.phase === 'idle' && admission.state === 'open'),
};

const server: FactoryProvider<GrpcServer> = {
  provide: GrpcServer,
  inject: [REALTIME_GRPC_OPTIONS, GrpcTransport, ApiTarget, IS_READY],
  useFactory: (
    { port, host, tls, authorizePublish }: RealtimeGrpcOptions,
    connections: GrpcTransport,
    target: ApiTarget,
    ready: () => boolean,
  ) => {
    const methods: (readonly [string, GrpcMethod])[] = [
      [`/${SERVICE}/Connect`, (call) => connections.connect(call)],
      ...healthMethods([SERVICE], ready),
      ...reflectionMethods(DESCRIPTORS),
    ];
    if (authorizePublish !== undefined)
      methods.push([`/${SERVICE}/Publish`, publishMethod(target, authorizePublish)]);
    return new GrpcServer({ port, host, tls, methods: new Map(methods) });
  },
};

const lifecycle: FactoryProvider<GrpcLifecycle> = {
  provide: GrpcLifecycle,
  inject: [GrpcServer, Drain, Descriptors],
  useFactory: (grpc: GrpcServer, drain: Drain, descriptors: Descriptors) =>
    new GrpcLifecycle({ server: grpc, drain, descriptors }),
};

/**
 * gRPC on a port of its own: `aerie.v1.Realtime` (`@aerie/realtime/proto/aerie/v1/realtime.proto`) with the same handshake,
 * sessions, channels and limits as every transport, grpc.health.v1 and server reflection. Needs `RealtimeModule`.
 */
@Module({})
export class RealtimeGrpcModule {
  static forRoot(options: RealtimeGrpcOptions): DynamicModule {
    return this.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: RealtimeGrpcAsyncOptions): DynamicModule {
    const options: FactoryProvider<RealtimeGrpcOptions> = {
      provide: REALTIME_GRPC_OPTIONS,
      inject,
      useFactory,
    };
    return {
      module: RealtimeGrpcModule,
      imports,
      providers: [options, transport, isReady, server, lifecycle],
      exports: [GrpcServer],
    };
  }
}

// `RealtimeHealthModule` may be anywhere in the application, or nowhere.
function readinessIn(modules: ModuleRef): Readiness | undefined {
  try {
    return modules.get(Readiness, { strict: false });
  } catch {
    return undefined;
  }
}
