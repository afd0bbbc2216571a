import { randomBytes } from 'node:crypto';
import type { ApiKey } from '@aerie/realtime/api';
import { DEV_CHANNELS, type ChannelConfig } from './channels-config.js';
import { modeOf, type Given, type Mode } from './environment/mode.js';
import { brokenRules, DEFAULT_PORT } from './environment/rules.js';
import {
  ENV_NAMES,
  environmentSchema,
  type EnvName,
  type Environment,
  type LogLevel,
} from './environment/schema.js';
import type { ToldHook } from './hooks/hook-event.js';

export { ENV_NAMES, type EnvName, type LogLevel } from './environment/schema.js';

/** The gateway's configuration, by use. Holds secrets: never logged as a whole. */
export interface GatewayEnv {
  readonly production: boolean;
  /** Dev surfaces are open: `POST /dev/tokens`, the playground. */
  readonly dev: boolean;
  readonly logLevel: LogLevel;
  /** What works otherwise than one may expect; `main` logs them at boot. */
  readonly warnings: readonly string[];
  readonly http: {
    /** 0: any free port. */
    readonly port: number;
    readonly host: string;
    readonly internalPort: number;
    readonly adminPort?: number;
    /** Absent: no gRPC. */
    readonly grpcPort?: number;
    /** CIDRs whose `X-Forwarded-For` is believed. */
    readonly trustProxy: readonly string[];
  };
  readonly auth: {
    /** HS256. Generated in dev mode where none is set. */
    readonly jwtSecret?: string;
    readonly jwtPreviousSecret?: string;
    readonly resumeSecret?: string;
    readonly jwksUrl?: string;
    /** A token must name one of them. */
    readonly audience?: readonly string[];
    readonly issuer?: string;
    readonly cookieName?: string;
    readonly firstMessage: boolean;
  };
  readonly origins: {
    /** Absent: the own host only. */
    readonly allowed?: readonly string[];
    readonly required: boolean;
  };
  readonly apiKeys: readonly ApiKey[];
  readonly redis?: { readonly url: string; readonly prefix: string };
  readonly requireSharedBackplane: boolean;
  readonly hooks?: { readonly url: string; readonly secret: string; readonly told: readonly ToldHook[] };
  readonly channels: readonly ChannelConfig[];
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly limits: {
    readonly maxConnections: number;
    readonly maxConnectionsPerUser?: number;
    readonly maxQuarantine: number;
    readonly maxFrameBytes: number;
    readonly messagesPerSecond: number;
    readonly messagesBurst: number;
    /** Resident bytes past which the node drains itself. */
    readonly maxRssBytes?: number;
  };
  /** Whether WebSocket clients that offer compression get it. */
  readonly compression: boolean;
  readonly drain: { readonly windowMs: number; readonly lameDuckMs: number };
}

export interface EnvFault {
  readonly name: EnvName;
  /** Without the value, which may be a secret. */
  readonly message: string;
}

/** The environment cannot be booted from. Lists every fault, and never a value. */
export class EnvError extends Error {
  override readonly name = 'EnvError';

  constructor(readonly faults: readonly EnvFault[]) {
    super(
      ['The environment is not valid:', ...faults.map(({ name, message }) => `  ${name} ${message}`)].join(
        '\n',
      ),
    );
  }
}

/**
 * Reads and checks the environment. An empty variable counts as unset. Reads the file that `CHANNELS` names, if it does.
 * @throws EnvError with every fault at once.
 */
export function readEnv(source: Given = process.env): GatewayEnv {
  const given = withoutEmpty(source);
  const mode = modeOf(given);
  const parsed = environmentSchema({
    production: mode.production,
    hooks: given['HOOKS_URL'] !== undefined,
  }).safeParse(given);
  const faults = [...(parsed.error?.issues ?? []).map(faultOf), ...brokenRules(given, mode)];
  if (!parsed.success || faults.length > 0) throw new EnvError(faults);
  return grouped(parsed.data, mode);
}

function withoutEmpty(source: Given): Given {
  const known = ENV_NAMES.map((name) => [name, source[name]?.trim()] as const);
  return Object.fromEntries(known.filter(([, value]) => value !== undefined && value !== ''));
}

function faultOf({ path, message }: { path: readonly PropertyKey[]; message: string }): EnvFault {
  return { name: path[0] as EnvName, message };
}

function grouped(env: Environment, mode: Mode): GatewayEnv {
  return {
    production: mode.production,
    dev: mode.dev,
    logLevel: env.LOG_LEVEL ?? 'info',
    warnings: warningsOf(env, mode),
    http: httpOf(env, mode),
    auth: authOf(env, mode),
    origins: { ...defined({ allowed: env.ALLOWED_ORIGINS }), required: env.REQUIRE_ORIGIN ?? false },
    apiKeys: env.API_KEYS ?? [],
    ...(env.REDIS_URL && { redis: { url: env.REDIS_URL, prefix: env.REDIS_PREFIX ?? 'aerie:' } }),
    requireSharedBackplane: env.REQUIRE_SHARED_BACKPLANE ?? false,
    ...(env.HOOKS_URL &&
      env.HOOKS_SECRET && {
        hooks: { url: env.HOOKS_URL, secret: env.HOOKS_SECRET, told: env.HOOKS_EVENTS ?? [] },
      }),
    channels: env.CHANNELS ?? (mode.dev ? DEV_CHANNELS : []),
    heartbeat: {
      intervalMs: env.HEARTBEAT_INTERVAL_MS ?? 30_000,
      timeoutMs: env.HEARTBEAT_TIMEOUT_MS ?? 10_000,
    },
    limits: limitsOf(env),
    compression: env.COMPRESSION ?? false,
    drain: { windowMs: env.DRAIN_WINDOW_MS ?? 30_000, lameDuckMs: env.DRAIN_LAME_DUCK_MS ?? 0 },
  };
}

function httpOf(env: Environment, { dev }: Mode): GatewayEnv['http'] {
  const port = env.PORT ?? DEFAULT_PORT;
  return {
    port,
    host: env.HOST ?? (dev ? '127.0.0.1' : '0.0.0.0'),
    internalPort: env.INTERNAL_PORT ?? (port === 0 ? 0 : port + 1),
    ...defined({ adminPort: env.ADMIN_PORT, grpcPort: env.GRPC_PORT }),
    trustProxy: env.TRUST_PROXY ?? [],
  };
}

function authOf(env: Environment, { dev }: Mode): GatewayEnv['auth'] {
  const generate = dev && env.AUTH_JWT_SECRET === undefined;
  return {
    ...defined({
      jwtSecret: generate ? randomBytes(32).toString('base64url') : env.AUTH_JWT_SECRET,
      jwtPreviousSecret: env.AUTH_JWT_PREVIOUS_SECRET,
      resumeSecret: env.AUTH_RESUME_SECRET,
      jwksUrl: env.AUTH_JWKS_URL,
      audience: env.AUTH_JWT_AUDIENCE,
      issuer: env.AUTH_JWT_ISSUER,
      cookieName: env.AUTH_COOKIE_NAME,
    }),
    firstMessage: env.FIRST_MESSAGE_AUTH ?? true,
  };
}

function limitsOf(env: Environment): GatewayEnv['limits'] {
  return {
    maxConnections: env.MAX_CONNECTIONS ?? 10_000,
    maxQuarantine: env.MAX_QUARANTINE ?? 1_000,
    maxFrameBytes: env.MAX_FRAME_BYTES ?? 65_536,
    messagesPerSecond: env.MESSAGES_PER_SECOND ?? 100,
    messagesBurst: env.MESSAGES_BURST ?? 200,
    ...defined({ maxConnectionsPerUser: env.MAX_CONNECTIONS_PER_USER, maxRssBytes: env.MAX_RSS_BYTES }),
  };
}

function warningsOf(env: Environment, { production }: Mode): string[] {
  return production && env.REDIS_URL === undefined ? ['No REDIS_URL: publications stay on this node'] : [];
}

type Defined<Fields> = { readonly [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

/** Without the fields that are undefined: an absent option, not one set to undefined. */
function defined<Fields extends object>(fields: Fields): Defined<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Defined<Fields>;
}
