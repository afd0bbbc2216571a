import { CLOSE, type Close } from '@aerie/protocol';

export interface QuarantineOptions {
  /** Sockets that may wait at a time. Default 1,000. */
  readonly capacity: number;
  /** How long one may wait for its `$auth`. Default 5,000 ms. */
  readonly patienceMs?: number;
}

/** A socket that was let in without a credential and has yet to say who it is. */
export interface Quarantined {
  readonly addressGroup: string;
  close(close: Close): void;
}

const PATIENCE_MS = 5_000;
const SHARE_PER_ADDRESS = 0.05;

/**
 * Sockets between the upgrade and their `$auth`: in no registry, sent nothing. Full, the oldest of the address with the most
 * of them goes: a plain cap would let one client lock everybody out.
 */
export class Quarantine {
  readonly #byAddress = new Map<string, Map<Quarantined, NodeJS.Timeout>>();
  readonly #capacity: number;
  readonly #perAddress: number;
  readonly #patienceMs: number;
  #size = 0;

  constructor(options: QuarantineOptions) {
    this.#capacity = options.capacity;
    this.#perAddress = Math.max(1, Math.ceil(options.capacity * SHARE_PER_ADDRESS));
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  get size(): number {
    return this.#size;
  }

  add(socket: Quarantined): void {
    const own = this.#byAddress.get(socket.addressGroup);
    if (own !== undefined && own.size >= this.#perAddress) this.#evictOldest(own);
    else if (this.#size >= this.#capacity) this.#evictOldest(this.#busiest());
    this.#enter(socket);
  }

  /** It said who it is, or went away. */
  release(socket: Quarantined): void {
    const own = this.#byAddress.get(socket.addressGroup);
    const timer = own?.get(socket);
    if (own === undefined || timer === undefined) return;
    clearTimeout(timer);
    own.delete(socket);
    this.#size -= 1;
    if (own.size === 0) this.#byAddress.delete(socket.addressGroup);
  }

  /** Ends everybody's wait. */
  clear(close: Close): void {
    for (const own of this.#byAddress.values()) for (const socket of own.keys()) this.#end(socket, close);
  }

  #enter(socket: Quarantined): void {
    const timer = setTimeout(() => this.#end(socket, CLOSE.authTimeout), this.#patienceMs);
    const own = this.#byAddress.get(socket.addressGroup);
    if (own === undefined) this.#byAddress.set(socket.addressGroup, new Map([[socket, timer]]));
    else own.set(socket, timer);
    this.#size += 1;
  }

  #end(socket: Quarantined, close: Close): void {
    this.release(socket);
    socket.close(close);
  }

  #evictOldest(sockets: ReadonlyMap<Quarantined, unknown> | undefined): void {
    const [oldest] = sockets?.keys() ?? [];
    if (oldest !== undefined) this.#end(oldest, CLOSE.authTimeout);
  }

  #busiest(): ReadonlyMap<Quarantined, unknown> | undefined {
    let busiest: ReadonlyMap<Quarantined, unknown> | undefined;
    for (const own of this.#byAddress.values()) if (own.size > (busiest?.size ?? 0)) busiest = own;
    return busiest;
  }
}
