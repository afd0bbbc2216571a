import type { FactoryProvider, ModuleMetadata } from '@nestjs/common';
import type { ChannelRule } from './channels/channel-rule.js';
import type { DrainOptions } from './drain/drain.js';
import type { HistoryLimits } from './history/history.js';
import type { AuthOptions } from './handshake/auth-options.js';
import type { CompressionOptions } from './transports/websocket/framings.js';
import type { SessionOptions } from './sessions/session-times.js';

export interface RealtimeLimits {
  /** Connections of this node. Default 10,000. */
  readonly maxConnections?: number | undefined;
  /** Connections of one user, on all nodes together; on this one while Redis is away. Default: no limit. */
  readonly maxConnectionsPerUser?: number | undefined;
  /** One connection too many of a user: refuse it (429), or close the user's oldest (1008 `replaced`). Default `refuse`. */
  readonly userOverflow?: 'refuse' | 'replace' | undefined;
  /** Sockets that wait for their first message. Default 1,000. */
  readonly maxQuarantine?: number | undefined;
  /** Largest frame from a client. Bytes, default 65,536. */
  readonly maxFrameBytes?: number | undefined;
  /** Messages of one connection. Default 100 a second, at most 200 at once. */
  readonly messagesPerSecond?: number | undefined;
  readonly messagesBurst?: number | undefined;
  /** Handlers at a time per connection. Default 1: in order. */
  readonly concurrency?: number | undefined;
  /** After this a message is answered with `timeout`. Milliseconds, default 30,000. */
  readonly handlerDeadlineMs?: number | undefined;
  /** What one connection may owe before it counts as slow. Bytes, default 1 MiB. */
  readonly outboxBytes?: number | undefined;
  /** What all connections of this node may owe together. Bytes, default 256 MiB. */
  readonly outboxTotalBytes?: number | undefined;
}

export interface RealtimeOptions {
  readonly auth: AuthOptions;
  /** This node's name; default the host's name and six random characters. */
  readonly node?: string | undefined;
  /** Gateway paths that are Aerie's, with all below them, where the application has another WebSocket adapter, too. Default `['/ws']`. */
  readonly paths?: readonly string[] | undefined;
  /** Origins that browsers may connect from, and whether one is required. Default: the own host; not required. */
  readonly origins?:
    { readonly allowed?: readonly string[] | undefined; readonly require?: boolean | undefined } | undefined;
  /** Proxies whose `X-Forwarded-*` are believed: CIDRs, addresses, `loopback`, `private`. Default: none. */
  readonly trustProxy?: readonly string[] | undefined;
  /** Silence after which a ping goes out, and how long the answer may take. Milliseconds, default 30,000 and 10,000. */
  readonly heartbeat?:
    { readonly intervalMs?: number | undefined; readonly timeoutMs?: number | undefined } | undefined;
  readonly limits?: RealtimeLimits | undefined;
  /**
   * Compresses what goes to WebSocket clients that offer it (permessage-deflate), each frame once for all of its receivers,
   * and takes compressed frames from them. Default: neither.
   */
  readonly compression?: CompressionOptions | undefined;
  readonly drain?: DrainOptions | undefined;
  /** Who counts as connected, and for how long. */
  readonly sessions?: SessionOptions | undefined;
  /** Channel rules beside the application's `@Channel` classes. */
  readonly channels?: readonly ChannelRule[] | undefined;
  /** What every user's own channel `user:<id>` has. Default: no history. */
  readonly userChannel?: { readonly history?: HistoryLimits | undefined } | undefined;
  /** Serves `POST /tickets`. Default false. */
  readonly tickets?: boolean | undefined;
  /** Weak secrets refuse the boot. Default: `NODE_ENV` is `production`. */
  readonly production?: boolean | undefined;
}

export interface RealtimeAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: (...dependencies: never[]) => RealtimeOptions | Promise<RealtimeOptions>;
}

export const REALTIME_OPTIONS = Symbol('aerie:options');

export const LIMIT_DEFAULTS = {
  maxConnections: 10_000,
  userOverflow: 'refuse',
  maxQuarantine: 1_000,
  maxFrameBytes: 64 * 1024,
  messagesPerSecond: 100,
  messagesBurst: 200,
  concurrency: 1,
  handlerDeadlineMs: 30_000,
  outboxBytes: 1024 * 1024,
  outboxTotalBytes: 256 * 1024 * 1024,
} as const;

export type Limits = Required<{ [Key in keyof typeof LIMIT_DEFAULTS]: NonNullable<RealtimeLimits[Key]> }> &
  Pick<RealtimeLimits, 'maxConnectionsPerUser'>;

/** The limits with their defaults; an explicit `undefined` is the default too. */
export function limitsOf({ limits = {} }: RealtimeOptions): Limits {
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
  return { ...LIMIT_DEFAULTS, ...given };
}

export function heartbeatOf({ heartbeat = {} }: RealtimeOptions): { intervalMs: number; timeoutMs: number } {
  return { intervalMs: heartbeat.intervalMs ?? 30_000, timeoutMs: heartbeat.timeoutMs ?? 10_000 };
}
