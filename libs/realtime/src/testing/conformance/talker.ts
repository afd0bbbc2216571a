import type { Message } from '@aerie/protocol';
import type { FramePredicate, ReceivedFrame } from '../frame-queue.js';
import type { ClosedWith } from '../test-client.js';

/** One end of a connection that a rule talks through, whatever the transport. */
export interface Talker {
  /** Every frame that came, in order. */
  readonly received: readonly ReceivedFrame[];
  /** Resolves with what ended the connection: 1006 where nobody said goodbye. */
  readonly closed: Promise<ClosedWith>;
  /** Sends a message as the transport encodes it. */
  send(message: Message): void;
  /** Sends a message with an id of its own; resolves with the reply, errors included. */
  request(event: string, data?: unknown): Promise<ReceivedFrame>;
  /** The next frame that matches and was not taken before. Rejects where none comes in time. */
  frame(predicate: FramePredicate): Promise<ReceivedFrame>;
  /** Says goodbye. */
  close(code?: number): Promise<ClosedWith>;
  /** Ends the connection without a word. */
  drop(): void;
}

/** What a WebSocket can do beyond that: send what is no message, in any kind of frame. */
export interface SocketTalker extends Talker {
  /** How many frames of the server were binary. */
  readonly binaryFrames: number;
  /** Sends a text frame as it is. */
  sendText(text: string): void;
  sendBinary(bytes: Uint8Array): void;
  /** A text frame that holds these bytes, be they UTF-8 or not. */
  sendAsText(bytes: Uint8Array): void;
  /** A text frame that says it is compressed (RFC 7692), and holds these bytes. */
  sendCompressed(bytes: Uint8Array): void;
  sendUnmasked(text: string): void;
  /** One message in as many fragments; a ping goes out behind the first. */
  sendFragments(parts: readonly string[]): void;
  /** Sends a ping; resolves with the payload of the next pong. */
  ping(payload: string): Promise<string>;
}
