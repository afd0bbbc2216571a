/** The part of a WebSocket that the client uses: the browser's, Node's own and that of the `ws` package fit. */
export interface WebSocketLike {
  /** Bytes given to `send` that are not on the network yet. */
  readonly bufferedAmount: number;
  /** The subprotocol that the server chose; empty or absent for none. */
  readonly protocol?: string;
  /** How binary frames are to be handed out. */
  binaryType?: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Ends without a close handshake; only `ws` has it. */
  terminate?(): void;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: 'close',
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;
