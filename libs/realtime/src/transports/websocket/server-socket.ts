import { CLOSE, type Close } from '@aerie/protocol';
import { WebSocket } from 'ws';

/** Who wants the connection to end: the peer said goodbye, or a frame of its broke the protocol. */
export type CloseWish =
  | { readonly by: 'peer'; readonly code: number | undefined }
  | { readonly by: 'protocol'; readonly close: Close };

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
    const fault = code === undefined || reason !== undefined ? undefined : closeFor(code);
    if (this.#onCloseWish === undefined || this.readyState !== this.OPEN)
      super.close(fault?.code ?? code, fault?.reason ?? reason);
    else this.#onCloseWish(fault === undefined ? { by: 'peer', code } : { by: 'protocol', close: fault });
  }

  sayGoodbye(code?: number, reason?: string): void {
    super.close(code, reason);
  }
}

function closeFor(code: number): Close {
  if (code === CLOSE.tooLarge.code) return CLOSE.tooLarge;
  if (code === CLOSE.notUtf8.code) return CLOSE.notUtf8;
  return CLOSE.protocolError;
}
