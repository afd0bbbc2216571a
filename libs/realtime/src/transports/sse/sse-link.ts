import type { Pulse } from '../../connections/heartbeat.js';
import type { ClientFacade } from '../client-facade.js';
import { HttpLink } from '../http-link.js';
import { CUT, type LinkPorts } from '../link.js';
import type { SseWire } from './sse-wire.js';

/** Ties a stream of events to its Connection. */
export class SseLink extends HttpLink implements Pulse {
  lastSignAt = performance.now();
  pingedAt = 0;
  slot = -1;
  takenAtPing = -1;
  readonly paused = false;
  readonly #wire: SseWire;
  #isDead = false;

  constructor(wire: SseWire, client: ClientFacade, ports: LinkPorts) {
    super(wire, client, ports);
    this.#wire = wire;
  }

  start(): void {
    this.#wire.onClosed(() => this.#closed());
    this.ports.heartbeat.add(this);
  }

  get blocked(): boolean {
    return this.#wire.bufferedBytes > 0;
  }

  get taken(): number {
    return this.#wire.taken;
  }

  ping(): void {
    const { connection } = this.client;
    if (connection.isOpen && !connection.backedUp)
      this.#wire.ping(() => {
        this.lastSignAt = performance.now();
      });
  }

  dead(): void {
    this.#isDead = true;
    this.ports.metrics.heartbeatTimeouts.inc();
    this.client.connection.destroy();
  }

  #closed(): void {
    this.ports.heartbeat.remove(this);
    this.ended({
      code: CUT,
      reason: '',
      ...(this.#isDead && { silentMs: performance.now() - this.lastSignAt }),
    });
  }
}
