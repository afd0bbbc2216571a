import type { KeepPresence } from './member-keeper.js';
import { type Codec, JSON_CODEC } from './codec.js';
import type { CredentialOptions } from './credentials.js';
import type { TransportSetup } from './transport.js';
import type { WebSocketConstructor } from './web-socket.js';
import { webSocketKind } from './web-socket-wire.js';
import { only, type Fallbacks } from './wire.js';

export type RealtimeOptions = CredentialOptions & {
  /** How frames are written. Default: JSON. */
  readonly codec?: Codec;
  /** Default: the global one of browsers and of Node from 22 on. The class of the `ws` package fits. */
  readonly webSocket?: WebSocketConstructor;
  /** What stands in where a WebSocket can't be opened: `fallbacks()` of `@aerie/client/fallbacks`. Default: nothing. */
  readonly fallbacks?: Fallbacks;
  /** Who is in a channel: `presence()` of `@aerie/client/presence`. Default: that can't be asked. */
  readonly presence?: KeepPresence;
  /** Asks why an open failed, and carries the fallbacks. Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Milliseconds from the start of an attempt, its credential included, to `$welcome`. Default 20,000. */
  readonly connectTimeoutMs?: number;
};

/** What the client runs on: what was given, else what is global here. */
export function platformOf(
  {
    webSocket = globalThis.WebSocket,
    // A browser's fetch refuses to be called on anything but the window.
    fetch = (...args) => globalThis.fetch(...args),
    connectTimeoutMs = 20_000,
    fallbacks = only,
    codec = JSON_CODEC,
  }: RealtimeOptions,
  url: URL,
): Omit<TransportSetup, 'credentials' | 'report'> {
  if (!webSocket) throw new TypeError('There is no global WebSocket here: pass one as `webSocket`');
  return { plan: fallbacks(webSocketKind(webSocket), url), fetch, connectTimeoutMs, codec };
}
