import { CLOSE, type Close } from '@aerie/protocol';
import { WebSocket } from 'ws';
import type { Framing } from '../../connections/wire.js';
import { PLAIN_JSON } from './framings.js';

/** Who wants the connection to end: the peer said goodbye, or a frame of its broke the protocol. */
export type CloseWish =
  | { readonly by: 'peer'; readonly code: number | undefined }
  | { readonly by: 'protocol'; readonly close: Close };

/** Who hears what a socket says. One object instead of a listener per event: a socket that is idle costs no closures. */
export interface SocketListener {
  onMessage(data: unknown, isBinary: boolean): void;
  onPing?(data: Buffer): void;
  onPong?(data: Buffer): void;
  onClose(code: number, reason: Buffer): void;
  /** A frame broke the protocol; `onClose` follows. */
  onError?(): void;
  /** Decides when the goodbye is said; without it that is at once. */
  onCloseWish?(wish: CloseWish): void;
}

/**
 * The server's side of a `ws` socket whose goodbyes wait for the connection's outbox: `ws` writes its close frame straight
 * to the socket, where it could land in the middle of one of our frames.
 */
export class ServerSocket extends WebSocket {
  /** Set by its endpoint, as the upgrade has negotiated. */
  framing: Framing = PLAIN_JSON;
  #listener: SocketListener | undefined;

  /** From here on `listener` hears everything, instead of whoever did before. */
  hearWith(listener: SocketListener): void {
    this.#listener = listener;
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const listener = this.#listener;
    if (listener === undefined) return super.emit(event, ...args);
    if (event === 'message') listener.onMessage(args[0], args[1] === true);
    else if (event === 'ping') listener.onPing?.(args[0] as Buffer);
    else if (event === 'pong') listener.onPong?.(args[0] as Buffer);
    else if (event === 'close') listener.onClose(args[0] as number, args[1] as Buffer);
    else if (event === 'error') listener.onError?.();
    else return super.emit(event, ...args);
    return true;
  }

  // `ws` closes with a reason (or no code at all) to answer the peer, and with a bare code for a frame that it can't accept.
  override close(code?: number, reason?: string | Buffer): void {
    const fault = code === undefined || reason !== undefined ? undefined : closeFor(code);
    if (this.#listener?.onCloseWish === undefined || this.readyState !== this.OPEN)
      super.close(fault?.code ?? code, fault?.reason ?? reason);
    else
      this.#listener.onCloseWish(
        fault === undefined ? { by: 'peer', code } : { by: 'protocol', close: fault },
      );
  }

  sayGoodbye(code?: number, reason?: string): void {
    super.close(code, reason);
  }
}

function closeFor(code: number): Close {
  if (code === CLOSE.tooLarge.code) return CLOSE.tooLarge;
  if (code === CLOSE.invalidData.code) return CLOSE.invalidData;
  return CLOSE.protocolError;
}
