import type { Codec, Encoded } from './codec.js';
import type { Credentials } from './credentials.js';
import type { DryRunAnswer } from './dry-run.js';

/** One way to open a connection: a WebSocket, or what stands in for it. */
export interface TransportKind {
  /** As in `$welcome.transport`. */
  readonly name: string;
  open(setup: WireSetup, events: WireEvents): Wire;
}

export interface WireSetup {
  readonly credentials: Credentials;
  /** The credential of this attempt. */
  readonly credential: string;
  readonly codec: Codec;
  readonly fetch: typeof globalThis.fetch;
}

/** Frames out. Whatever comes back comes by `WireEvents`, and nothing of it before `open` has returned. */
export interface Wire {
  /** Bytes given to `send` that are not on the network yet. */
  bufferedBytes(): number;
  /** The subprotocol that the server chose; empty for none. */
  protocol(): string;
  /** Whether a refused open shows no reason, so that one has to ask for it. */
  readonly hidesRefusals: boolean;
  send(data: Encoded): void;
  /** Says goodbye; what was sent before still goes. */
  close(): void;
  /** Ends at once. */
  drop(): void;
}

export interface WireEvents {
  /** The server let it in; `$welcome` is still to come. */
  readonly opened: () => void;
  readonly received: (data: unknown) => void;
  /** A sign of life that is no frame. */
  readonly alive: () => void;
  /** Once at least; only the first counts. */
  readonly closed: (close: WireClose) => void;
}

export interface WireClose {
  /** WebSocket close code; 1006 where it was simply lost. */
  readonly code: number;
  readonly reason: string;
  /** Why it was not let in. */
  readonly answer?: DryRunAnswer | undefined;
}

/** Which transport the next attempt takes. One plan per client. */
export interface TransportPlan {
  readonly current: TransportKind;
  /** The current one said `$welcome`. */
  welcomed(): void;
  /** An attempt, or the connection that came of it, ended. */
  ended(ending: PlannedEnding): PlanStep;
}

/** What a plan looks at. */
export interface PlannedEnding {
  readonly answer?: DryRunAnswer | undefined;
  /** Absent where nothing was tried. */
  readonly reached?: Reached | undefined;
  readonly code: number;
}

/** How far an attempt came: it never opened, it opened, it was welcomed. */
export type Reached = 'nothing' | 'opened' | 'welcomed';

/** `next`: another transport, after the usual wait. `now`: another transport at once. */
export type PlanStep = 'stay' | 'next' | 'now';

/** Makes the plan of a client: `fallbacks()` of `@aerie/client/fallbacks` does. */
export type Fallbacks = (webSocket: TransportKind, url: URL) => TransportPlan;

/** The plan of a client without fallbacks. */
export function only(current: TransportKind): TransportPlan {
  return { current, welcomed: () => undefined, ended: () => 'stay' };
}
