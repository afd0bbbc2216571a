import { type Codec, JSON_CODEC } from './codec.js';
import { createCredentials, type CredentialOptions } from './credentials.js';
import type { Report } from './emitter.js';
import type { ConnectionSetup } from './connection.js';
import { openTransport, type Fallbacks } from './transport.js';
import type { WebSocketConstructor } from './web-socket.js';
import { dialWebSocket } from './web-socket-wire.js';

export type RealtimeOptions = CredentialOptions & {
  /** How frames are written. Default: JSON. */
  readonly codec?: Codec;
  /** Default: the global one of browsers and of Node from 22 on. The class of the `ws` package fits. */
  readonly webSocket?: WebSocketConstructor;
  /** What stands in where a WebSocket can't be opened: `fallbacks()` of `@aerie/client/fallbacks`. Default: nothing. */
  readonly fallbacks?: Fallbacks;
  /** Asks why an open failed, and carries the fallbacks. Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /**
   * Milliseconds from the start of an attempt, its credential included, to `$welcome`; half as long for the question why
   * one failed. Default 20,000.
   */
  readonly connectTimeoutMs?: number;
};

/** What the client runs on: what was given, else what is global here. @throws TypeError for something that is no address. */
export function setupOf(url: string | URL, options: RealtimeOptions, report: Report): ConnectionSetup {
  const {
    webSocket = globalThis.WebSocket,
    fetch = globalThis.fetch,
    connectTimeoutMs = 20_000,
    fallbacks = (open) => open,
    codec = JSON_CODEC,
  } = options;
  const credentials = createCredentials(url, options);
  const open = fallbacks(openTransport);
  return { open, dial: dialWebSocket, webSocket, fetch, connectTimeoutMs, codec, credentials, report };
}
