import type { Close, Position } from '@aerie/protocol';

/** By which way somebody comes. `short-polling` is requests alone: none of them is a connection. */
export type Transport = 'websocket' | 'sse' | 'long-polling' | 'short-polling' | 'grpc';

/** How a transport wraps payloads. Connections with the same framing share the framed bytes of a publication. */
export interface Framing {
  readonly name: string;
  frame(payload: Uint8Array): Buffer;
  /** Wraps bytes that are no frame of the protocol. @throws TypeError where the transport carries text only. */
  binary(payload: Uint8Array): Buffer;
}

/**
 * What a transport gives to a Connection: a byte sink that knows how much it still holds. The connection's outbox stands
 * before it and hands over at most 64 KiB at a time.
 */
export abstract class Wire {
  abstract readonly transport: Transport;
  abstract readonly framing: Framing;
  /** What the transport negotiated; empty where it negotiates nothing. */
  abstract readonly subprotocol: string;
  /** Bytes that were handed over and that the kernel has not taken yet. */
  abstract readonly bufferedBytes: number;
  /** Whether reading is stopped. While it is, the heartbeat's deadline stands still. */
  abstract readonly paused: boolean;
  /**
   * Bytes that tell the peer where a channel stands, to be sent behind what brought it there; without a position, that it
   * has left the channel. Only on wires whose peers come back by what they were told last instead of counting themselves.
   */
  mark?(channel: string, position: Position | undefined): Uint8Array | undefined;

  /** What stands for the session when the peer comes back, where the transport has such a thing. Secret. */
  proof?(): string;
  /** Bytes that tell it to a peer that has no credential of its own to come back with. */
  proofMark?(): Uint8Array | undefined;
  /** Hands bytes over; `taken` is called once the kernel has them all (not if the wire ends first). */
  abstract write(bytes: Uint8Array, taken?: () => void): void;
  /** Sends the transport's own sign of life; the peer's answer counts as inbound. */
  abstract ping(): void;
  abstract pause(): void;
  abstract resume(): void;
  /** Begins the transport's goodbye. */
  abstract close(close: Close): void;
  /** Answers the peer's goodbye with its own code, if it gave one. */
  abstract answerClose(code: number | undefined): void;
  /** Ends at once, without a goodbye. */
  abstract destroy(): void;
}
