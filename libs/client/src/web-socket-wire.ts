import type { Encoded } from './codec.js';
import type { WebSocketConstructor, WebSocketLike } from './web-socket.js';
import type { TransportKind, Wire, WireEvents, WireSetup } from './wire.js';

/** Connections by WebSocket. */
export function webSocketKind(socketClass: WebSocketConstructor): TransportKind {
  return {
    name: 'websocket',
    open: (setup, events) => new WebSocketWire(socketClass, setup, events),
  };
}

class WebSocketWire implements Wire {
  readonly hidesRefusals = true;
  readonly #socket: WebSocketLike;

  constructor(
    socketClass: WebSocketConstructor,
    { credentials, credential, codec }: WireSetup,
    events: WireEvents,
  ) {
    const { url, protocols, firstMessage } = credentials.socketAddress(credential, codec.subprotocols);
    const socket = new socketClass(url, protocols);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      events.opened();
      const auth = { event: '$auth', data: firstMessage, id: 0 };
      if (firstMessage) socket.send(codec.translate(codec.encode(auth), this.protocol));
    });
    socket.addEventListener('message', ({ data }) => events.received(data));
    // `close` follows and says it all; `ws` would throw without a listener.
    socket.addEventListener('error', () => undefined);
    socket.addEventListener('close', events.closed);
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  get protocol(): string {
    return this.#socket.protocol ?? '';
  }

  send(data: Encoded): void {
    this.#socket.send(data);
  }

  close(): void {
    this.#socket.close(1000);
  }

  drop(): void {
    if (this.#socket.terminate) this.#socket.terminate();
    else this.#socket.close();
  }
}
