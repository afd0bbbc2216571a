import type { Position } from '@aerie/protocol';
import {
  Backplane,
  BackplaneUnavailable,
  type Announced,
  type Announcement,
  type BackplaneHealth,
  type BackplaneListener,
} from '../publishing/backplane.js';
import { MemoryHub } from './memory-hub.js';

/**
 * The backplane of one process: the same semantics as a shared one, with nothing that can be away. Announcements are
 * delivered in a later turn of the event loop. An idempotency key is known for five minutes, at most 100,000 of them.
 */
export class MemoryBackplane extends Backplane {
  readonly name = 'memory';
  readonly shared = false;
  readonly #hub: MemoryHub;
  readonly #channels = new Set<string>();
  #listener: BackplaneListener | undefined;
  #closed = false;

  /** @param hub Shared by the nodes of a test; default: its own. */
  constructor(hub: MemoryHub = new MemoryHub()) {
    super();
    this.#hub = hub;
  }

  async start(listener: BackplaneListener): Promise<void> {
    this.#listener = listener;
    this.#hub.add(this.#receive);
  }

  async announce(announcement: Announcement): Promise<Announced> {
    this.#assertOpen();
    return this.#hub.announce(announcement);
  }

  async subscribe(channel: string): Promise<void> {
    this.#assertOpen();
    this.#channels.add(channel);
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel);
  }

  async probe(): Promise<BackplaneHealth> {
    return this.#closed ? { up: false, reason: 'closed' } : { up: true, roundTripMs: 0 };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#hub.remove(this.#receive);
    this.#channels.clear();
  }

  readonly #receive = (channel: string, frame: Uint8Array, position: Position | undefined): void => {
    if (this.#channels.has(channel)) this.#listener?.deliver(channel, frame, position);
  };

  #assertOpen(): void {
    if (this.#closed) throw new BackplaneUnavailable('the backplane is closed');
  }
}
