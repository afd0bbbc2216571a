import type { Dial } from '../wire.js';

/** A way to connect: the WebSocket, or what stands in for it. */
export interface TransportKind {
  /** As in `$welcome.transport`. */
  readonly name: string;
  readonly dial: Dial;
}
