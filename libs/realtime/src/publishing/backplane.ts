/** What one node hands to the backplane for every node with a subscriber, itself included. */
export interface Announcement {
  /** A channel name of the protocol, or one of the internal names that start with `$`. */
  readonly channel: string;
  /** The encoded frame (UTF-8 JSON, no transport framing). Opaque to drivers. */
  readonly frame: Uint8Array;
  /** A second announcement with the same key in the same channel within five minutes announces nothing. */
  readonly idempotencyKey: string;
}

/** What the backplane did with an announcement. */
export interface Announced {
  /** True where the key was seen before: nothing was announced now. */
  readonly duplicate: boolean;
  /** Position in the channel's history, where it has one. */
  readonly epoch?: string;
  readonly offset?: number;
}

/** What a node gives the backplane at start: where arriving frames go, and who must hear of a gap. */
export interface BackplaneListener {
  /**
   * One announced frame, in the order of its channel. `frame` belongs to the receiver (already copied out of any parser's
   * chunk). Called synchronously; must not throw.
   */
  deliver(channel: string, frame: Uint8Array, position: { epoch: string; offset: number } | undefined): void;
  /** Announcements may have been missed since the last delivery: a reconnect, or a probe that did not come back. */
  gap(): void;
}

/** How the last probe went. Down is a value, never a throw. */
export type BackplaneHealth =
  { readonly up: true; readonly roundTripMs: number } | { readonly up: false; readonly reason: string };

/**
 * Port. Carries publications between nodes. At most once; per channel in the order in which announcements were accepted;
 * a node hears its own announcements by the same path as everyone else's. What was announced while a subscriber's
 * connection was down is lost, and told as a `gap`.
 */
export abstract class Backplane {
  /** `memory`, `redis`: for logs, health and `/api/info`. */
  abstract readonly name: string;
  /** Whether other nodes are reached. */
  abstract readonly shared: boolean;

  /** Connects and starts delivering. Called once, before anything else; resolves even if the server is away (it keeps trying). */
  abstract start(listener: BackplaneListener): Promise<void>;
  /** Rejects with `BackplaneUnavailable` when the outcome is unknown; never hangs longer than the command timeout. */
  abstract announce(announcement: Announcement): Promise<Announced>;
  /** Resolves when announcements made from now on will be heard; rejects with `BackplaneUnavailable` otherwise. Idempotent; batched by the driver. */
  abstract subscribe(channel: string): Promise<void>;
  /** Nothing of the channel is delivered from now on. What that takes, the driver does when it suits. */
  abstract unsubscribe(channel: string): void;
  /** Sends a probe to itself through the ordinary path and waits for it (`timeoutMs`). */
  abstract probe(timeoutMs: number): Promise<BackplaneHealth>;
  /** Releases what it opened. */
  abstract close(): Promise<void>;
}

/** The backplane's server did not answer in time: the outcome is unknown. Repeat with the same idempotency key. */
export class BackplaneUnavailable extends Error {
  override readonly name = 'BackplaneUnavailable';
  readonly code = 'unavailable';
}
