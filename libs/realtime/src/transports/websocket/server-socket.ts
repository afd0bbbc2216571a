import { WebSocket } from 'ws';

/** Who wants the connection to end: the peer said goodbye, or a frame of its broke the protocol (with the close code). */
export type CloseWish =
  | { readonly by: 'peer'; readonly code: number | undefined }
  | { readonly by: 'protocol'; readonly code: number };

/**
 * The server's side of a `ws` socket whose goodbyes wait for the connection's outbox: `ws` writes its close frame straight
 * to the socket, where it could land in the middle of one of our frames.
 */
export class ServerSocket extends WebSocket {
  #onCloseWish: ((wish: CloseWish) => void) | undefined;

  deferCloseTo(onCloseWish: (wish: CloseWish) => void): void {
    this.#onCloseWish = onCloseWish;
  }

  // `ws` closes with a reason (or no code at all) to answer the peer, and with a bare code for a frame that it can't accept.
  override close(code?: number, reason?: string | Buffer): void {
    if (this.#onCloseWish === undefined || this.readyState !== this.OPEN) super.close(code, reason);
    else if (code === undefined || reason !== undefined) this.#onCloseWish({ by: 'peer', code });
    else this.#onCloseWish({ by: 'protocol', code });
  }

  sayGoodbye(code?: number, reason?: string): void {
    super.close(code, reason);
  }
}
