import type { Descriptors } from './descriptors.js';

/** A `lame-duck` still lets people in (endpoints lag behind readiness); `closed` refuses. */
export type DoorState = 'open' | 'lame-duck' | 'closed';

export interface AdmissionOptions {
  /** Connections and handshakes under way, together. Default 10,000. */
  readonly maxConnections: number;
  readonly descriptors: Descriptors;
  /** Connections at this moment, those in quarantine included. */
  readonly connections: () => number;
}

/** A place that a handshake holds from its first check until it is registered or refused. */
export interface Place {
  release(): void;
}

export type AdmissionRefusal = 'draining' | 'full' | 'descriptors';

/** The door: whether this node takes one more connection. Counts handshakes under way, so that a burst can't overshoot. */
export class Admission {
  readonly #options: AdmissionOptions;
  #state: DoorState = 'open';
  #pending = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get state(): DoorState {
    return this.#state;
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#pending;
  }

  /** 0 to 1: the fuller of connections and descriptors. */
  get saturation(): number {
    const connections = (this.#options.connections() + this.#pending) / this.#options.maxConnections;
    return Math.min(1, Math.max(connections, this.#options.descriptors.saturation));
  }

  beginLameDuck(): void {
    if (this.#state === 'open') this.#state = 'lame-duck';
  }

  closeDoor(): void {
    this.#state = 'closed';
  }

  /** Why nobody may come in now; undefined: come in. Holds nothing. */
  refuses(): AdmissionRefusal | undefined {
    if (this.#state === 'closed') return 'draining';
    if (this.#options.connections() + this.#pending >= this.#options.maxConnections) return 'full';
    if (this.#options.descriptors.exhausted) return 'descriptors';
    return undefined;
  }

  hold(): Place {
    let held = true;
    this.#pending += 1;
    return {
      release: () => {
        if (held) this.#pending -= 1;
        held = false;
      },
    };
  }
}
