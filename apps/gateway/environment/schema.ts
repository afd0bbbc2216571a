import { z } from 'zod';
import { channelsVariable } from '../channels-config.js';
import { apiKeys } from './api-keys.js';
import { TOLD_HOOKS } from '../hooks/hook-event.js';
import { Fault, field, flag, httpUrl, integer, list, matching, secret, unsupported } from './field.js';
import { origins, proxies, redisUrl } from './network.js';

const HOUR_MS = 3_600_000;
const MIB = 1_048_576;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface SchemaOptions {
  /** Secrets then have a least length. */
  readonly production: boolean;
  /** Whether HOOKS_URL is set, so that a channel may ask a hook. */
  readonly hooks: boolean;
}

/** Every variable that the gateway reads, each on its own; rules between them are in rules.ts. */
export function environmentSchema({ production, hooks }: SchemaOptions) {
  const keyBytes = production ? 32 : 1;
  return z.object({
    NODE_ENV: z.string().optional(),
    DEV: flag().optional(),
    LOG_LEVEL: logLevel().optional(),

    PORT: integer(0, 65_535).optional(),
    HOST: matching(/^[A-Za-z0-9._:-]+$/, 'an address or a host name').optional(),
    INTERNAL_PORT: integer(0, 65_535).optional(),
    ADMIN_PORT: integer(1, 65_535).optional(),
    GRPC_PORT: integer(1, 65_535).optional(),

    AUTH_JWT_SECRET: secret(keyBytes).optional(),
    AUTH_JWT_PREVIOUS_SECRET: secret(keyBytes).optional(),
    AUTH_RESUME_SECRET: secret(keyBytes).optional(),
    AUTH_JWKS_URL: httpUrl().optional(),
    AUTH_JWT_AUDIENCE: list().optional(),
    AUTH_JWT_ISSUER: z.string().optional(),
    AUTH_COOKIE_NAME: matching(/^[\w!#$%&'*+.^`|~-]+$/, 'a cookie name').optional(),
    FIRST_MESSAGE_AUTH: flag().optional(),
    API_KEYS: apiKeys(production ? 16 : 1).optional(),

    ALLOWED_ORIGINS: origins().optional(),
    REQUIRE_ORIGIN: flag().optional(),
    TRUST_PROXY: proxies().optional(),

    REDIS_URL: redisUrl().optional(),
    REDIS_PREFIX: matching(/^[^\s{}]{1,64}$/, '1-64 characters without spaces and braces').optional(),
    REQUIRE_SHARED_BACKPLANE: flag().optional(),
    NATS_URL: unsupported().optional(),
    DATABASE_URL: unsupported().optional(),
    KAFKA_BROKERS: unsupported().optional(),

    HOOKS_URL: httpUrl().optional(),
    HOOKS_SECRET: secret(keyBytes).optional(),
    HOOKS_EVENTS: toldHooks().optional(),
    CHANNELS: channelsVariable(hooks).optional(),

    HEARTBEAT_INTERVAL_MS: integer(1_000, HOUR_MS).optional(),
    HEARTBEAT_TIMEOUT_MS: integer(1_000, HOUR_MS).optional(),
    MAX_CONNECTIONS: integer(1, 1_000_000).optional(),
    MAX_CONNECTIONS_PER_USER: integer(1, 1_000_000).optional(),
    MAX_QUARANTINE: integer(1, 1_000_000).optional(),
    MAX_FRAME_BYTES: integer(1_024, 16 * MIB).optional(),
    COMPRESSION: flag().optional(),
    MESSAGES_PER_SECOND: integer(1, 1_000_000).optional(),
    MESSAGES_BURST: integer(1, 1_000_000).optional(),
    MAX_RSS_BYTES: integer(64 * MIB, Number.MAX_SAFE_INTEGER).optional(),
    DRAIN_WINDOW_MS: integer(0, HOUR_MS).optional(),
    DRAIN_LAME_DUCK_MS: integer(0, HOUR_MS).optional(),
    WORKERS: oneWorker().optional(),
  });
}

export type Environment = z.output<ReturnType<typeof environmentSchema>>;
export type EnvName = keyof Environment;

/** The name of every variable that the gateway reads. */
export const ENV_NAMES: readonly EnvName[] = environmentSchema({ production: false, hooks: false }).keyof()
  .options;

function logLevel() {
  return field((value) => {
    const level = LOG_LEVELS.find((known) => known === value.toLowerCase());
    return level ?? new Fault(`must be one of ${LOG_LEVELS.join(', ')}`);
  });
}

function toldHooks() {
  return field((value) => {
    const names = value.split(',').map((name) => name.trim());
    const known = TOLD_HOOKS.filter((hook) => names.includes(hook));
    return known.length === names.length ? known : new Fault(`must list some of ${TOLD_HOOKS.join(', ')}`);
  });
}

function oneWorker() {
  return field((value) => {
    if (!/^[1-9]\d{0,2}$/.test(value)) return new Fault('must be a whole number from 1 to 999');
    return value === '1' ? 1 : new Fault('more than 1 is not supported by this version');
  });
}
