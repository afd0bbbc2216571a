import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { HttpEdge, RealtimeModule, type RealtimeOptions, type Route } from '@aerie/realtime';
import { ApiAccess, type ApiKey, RealtimeApiModule } from '@aerie/realtime/api';
import { Drain, InternalServer, MemoryLimit } from '@aerie/realtime/drain';
import { RealtimeGrpcModule } from '@aerie/realtime/grpc';
import { RealtimeHealthModule } from '@aerie/realtime/health';
import { RealtimeMetrics, metricsRoute, RealtimeMetricsModule } from '@aerie/realtime/metrics';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { RealtimeTransportsModule } from '@aerie/realtime/transports';
import { AdminServer } from './admin-server.js';
import { apiDocsRoutes } from './api-docs.route.js';
import { channelRules } from './channel-rules.js';
import { ruledChannels, userHistory } from './channels-config.js';
import { devTokensRoute } from './dev-tokens.route.js';
import { ConnectHook, EdgeGateway } from './edge.gateway.js';
import type { GatewayEnv } from './env.js';
import { HooksClient } from './hooks/hooks-client.js';
import { playgroundRoutes } from './playground.route.js';

const DEV_KEY_NAME = 'dev';

/** The standalone gateway: Aerie's library, installed as in any other Nest application. */
@Module({})
export class GatewayModule {
  static for(env: GatewayEnv): DynamicModule {
    const keys = apiKeysOf(env);
    const hooks = env.hooks === undefined ? undefined : new HooksClient(env.hooks);
    const api = RealtimeApiModule.forRoot({ keys });
    return {
      module: GatewayModule,
      imports: [
        RealtimeModule.forRoot(realtimeOptions(env, hooks)),
        ...(env.redis === undefined ? [] : [RealtimeRedisModule.forRoot(env.redis)]),
        api,
        RealtimeTransportsModule.forRoot(),
        healthModule(env),
        ...grpcModules(env, api),
        ...(env.http.adminPort === undefined ? [metricsModule(env, api)] : []),
      ],
      providers: [
        EdgeGateway,
        ConnectHook,
        ...(hooks === undefined ? [] : [{ provide: HooksClient, useValue: hooks }]),
        ...operations(env),
        ...pages(env, keys),
      ],
    };
  }
}

function realtimeOptions(env: GatewayEnv, hooks: HooksClient | undefined): RealtimeOptions {
  const {
    jwtSecret: secret,
    jwtPreviousSecret: previousSecret,
    resumeSecret,
    jwksUrl,
    audience,
    issuer,
    cookieName,
    firstMessage,
  } = env.auth;
  return {
    auth: {
      jwt: { secret, previousSecret, jwksUrl, audience, issuer },
      cookieName,
      firstMessage,
      resumeSecret,
    },
    origins: { allowed: env.origins.allowed, require: env.origins.required },
    trustProxy: env.http.trustProxy,
    heartbeat: env.heartbeat,
    limits: env.limits,
    ...(env.compression && { compression: {} }),
    drain: env.drain,
    channels: channelRules(ruledChannels(env.channels), hooks),
    userChannel: { history: userHistory(env.channels) },
    tickets: true,
    production: env.production,
  };
}

// In dev mode the playground speaks for the backend, too: with a key that only this process knows.
function apiKeysOf(env: GatewayEnv): readonly ApiKey[] {
  if (!env.dev || env.apiKeys.length > 0) return env.apiKeys;
  return [{ name: DEV_KEY_NAME, scope: 'admin', secret: randomBytes(24).toString('base64url') }];
}

function healthModule({ production, requireSharedBackplane, limits }: GatewayEnv): DynamicModule {
  return RealtimeHealthModule.forRoot({
    backplane: 'required',
    requireSharedBackplane,
    production,
    ...(limits.maxRssBytes !== undefined && { maxRssBytes: limits.maxRssBytes }),
  });
}

function metricsModule({ production }: GatewayEnv, api: DynamicModule): DynamicModule {
  if (!production) return RealtimeMetricsModule.forRoot({});
  return RealtimeMetricsModule.forRootAsync({
    imports: [api],
    inject: [ApiAccess],
    useFactory: (access: ApiAccess) => ({ authorize: (request) => access.check(request, 'read') }),
  });
}

function grpcModules({ http }: GatewayEnv, api: DynamicModule): readonly DynamicModule[] {
  const { grpcPort: port, host } = http;
  if (port === undefined) return [];
  return [
    RealtimeGrpcModule.forRootAsync({
      imports: [api],
      inject: [ApiAccess],
      useFactory: (access: ApiAccess) => ({
        port,
        host,
        authorizePublish: (request: IncomingMessage) => access.check(request, 'publish'),
      }),
    }),
  ];
}

function operations({ http, limits }: GatewayEnv): readonly Provider[] {
  const { maxRssBytes } = limits;
  return [
    {
      provide: InternalServer,
      inject: [Drain],
      useFactory: (drain: Drain) => new InternalServer({ drain, port: http.internalPort }),
    },
    ...(maxRssBytes === undefined
      ? []
      : [
          {
            provide: MemoryLimit,
            inject: [Drain],
            useFactory: (drain: Drain) => new MemoryLimit({ drain, maxRssBytes }),
          },
        ]),
    ...(http.adminPort === undefined
      ? []
      : [
          {
            provide: AdminServer,
            inject: [RealtimeMetrics],
            useFactory: (metrics: RealtimeMetrics) =>
              new AdminServer({
                port: http.adminPort ?? 0,
                host: http.host,
                routes: [metricsRoute(metrics)],
              }),
          },
        ]),
  ];
}

// Served on the edge, like every path of Aerie's: what Express sees is nobody's.
function pages(env: GatewayEnv, keys: readonly ApiKey[]): readonly Provider[] {
  return [
    {
      provide: 'GatewayPages',
      inject: [HttpEdge],
      useFactory: (edge: HttpEdge) =>
        [...apiDocsRoutes(), ...devRoutes(env, keys)].map((route) => edge.add(route)),
    },
  ];
}

function devRoutes({ dev, auth }: GatewayEnv, keys: readonly ApiKey[]): readonly Route[] {
  if (!dev) return [];
  const own = keys.find(({ name }) => name === DEV_KEY_NAME)?.secret;
  const playground = playgroundRoutes(own === undefined ? {} : { apiKey: own });
  if (auth.jwtSecret === undefined) return playground;
  const [audience] = auth.audience ?? [];
  const { issuer } = auth;
  const tokens = devTokensRoute({
    jwt: new JwtService({ secret: auth.jwtSecret }),
    ...(audience !== undefined && { audience }),
    ...(issuer !== undefined && { issuer }),
  });
  return [...playground, tokens];
}
