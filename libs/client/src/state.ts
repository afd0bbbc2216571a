import type { ErrorBody, Welcome } from '@aerie/protocol';

/** Why a connection ended, or why it could not open. */
export interface Cause {
  /** WebSocket close code; 1006 where the connection ended without a close frame or never opened. */
  readonly code: number;
  /** One fixed text per cause: the server's close reason, an error code, or the client's own words. */
  readonly reason: string;
  /** What the server answered, where it said more than a close code. */
  readonly error?: ErrorBody | undefined;
}

/** Where the connection stands. Closed: a `switch` over `status` is complete. */
export type RealtimeState =
  /** Not used yet. */
  | { readonly status: 'idle' }
  /** Fetching a credential, opening, authenticating. `attempt` counts from 1 since the last stable connection. */
  | { readonly status: 'connecting'; readonly attempt: number }
  /** The server said `$welcome`. */
  | { readonly status: 'open'; readonly welcome: Welcome }
  /** The next attempt starts `retryInMs` after this state was entered. */
  | {
      readonly status: 'waiting';
      readonly retryInMs: number;
      readonly attempt: number;
      readonly cause: Cause;
      /** The browser says that there is no network: the attempt starts as soon as it says that there is one. */
      readonly offline?: true | undefined;
    }
  /** Given up, or closed. Only `connect()` starts again. */
  | { readonly status: 'stopped'; readonly cause: Cause };
