import type { WebSocketConstructor } from './web-socket.js';
import type { TransportKind } from './wire.js';

/** Connections by WebSocket. */
export function webSocketKind(socketClass: WebSocketConstructor): TransportKind {
  return {
    name: 'websocket',
    open: ({ credentials, credential, codec }, events) => {
      const { url, protocols, firstMessage } = credentials.socketAddress(credential, codec.subprotocols);
      const socket = new socketClass(url, protocols);
      const protocolOf = (): string => socket.protocol ?? '';
      socket.binaryType = 'arraybuffer';
      socket.addEventListener('open', () => {
        events.opened();
        const auth = { event: '$auth', data: firstMessage, id: 0 };
        if (firstMessage) socket.send(codec.translate(codec.encode(auth), protocolOf()));
      });
      socket.addEventListener('message', ({ data }) => events.received(data));
      // `close` follows and says it all; `ws` would throw without a listener.
      socket.addEventListener('error', () => undefined);
      socket.addEventListener('close', events.closed);
      return {
        hidesRefusals: true,
        bufferedBytes: () => socket.bufferedAmount,
        protocol: protocolOf,
        send: (data) => socket.send(data),
        close: () => socket.close(1000),
        drop: () => (socket.terminate ? socket.terminate() : socket.close()),
      };
    },
  };
}
