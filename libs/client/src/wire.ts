import type { ErrorBody } from '@aerie/protocol';
import type { Codec } from './codec.js';
import type { Credentials } from './credentials.js';
import type { WebSocketConstructor, WebSocketLike } from './web-socket.js';

/** Opens a connection: a WebSocket, or what stands in for it. */
export type Dial = (setup: WireSetup, events: WireEvents) => Wire;

export interface WireSetup {
  readonly webSocket: WebSocketConstructor;
  /** Called on nothing: a browser's own refuses to be called on anything but the window. */
  readonly fetch: typeof globalThis.fetch;
  readonly codec: Codec;
  readonly credentials: Credentials;
  /** The credential of this attempt. */
  readonly credential: string;
}

/** Whatever comes back comes by `WireEvents`, and nothing of it before the `Dial` has returned. */
export interface Wire {
  /** Frames out. */
  readonly socket: WireSocket;
  /** Why it was not let in, where it ended before `$welcome` without a close code. Fails where nobody can tell. */
  why(signal: AbortSignal): Promise<Answer | undefined>;
}

/** What is used of a WebSocket once its events have listeners. */
export type WireSocket = Pick<WebSocketLike, 'bufferedAmount' | 'protocol' | 'send' | 'close' | 'terminate'>;

export interface WireEvents {
  /** A frame, or without data another sign of life. The first says that the server let it in. */
  readonly received: (data?: unknown) => void;
  /** Once at least; only the first counts. */
  readonly closed: (close: WireClose) => void;
}

export interface WireClose {
  /** WebSocket close code; 1006 where it was simply lost. */
  readonly code: number;
  readonly reason: string;
}

/** What a server answered instead of opening a connection. 426 to `GET` means that it would take a WebSocket. */
export interface Answer {
  readonly status: number;
  /** Why the server refused. A refusal without this has not the server's form: something on the way answered in its place. */
  readonly error?: ErrorBody | undefined;
  /** The server's `Retry-After`, in milliseconds; below 0 where it has passed, NaN for none. */
  readonly afterMs?: number;
}
