import { BEARER_SUBPROTOCOL_PREFIX } from '@aerie/protocol';
import { answerOf } from './http-answer.js';
import type { Dial } from './wire.js';

/** All but the characters of an HTTP token (RFC 9110, section 5.6.2). */
const NO_HEADER = /[^\w!#$%&'*+.^`|~-]/g;

/** Opens a WebSocket. */
export const dialWebSocket: Dial = (setup, events) => {
  const { webSocket, fetch, codec, credentials, credential } = setup;
  const { name, via } = credentials;
  const inHeader = via === 'subprotocol';
  const addressWith = (value: string): string => {
    const url = new URL(credentials.url);
    if (via === 'query') url.searchParams.set(name, value);
    return url.href;
  };
  // What can stand in no header is no token of the server's; a browser's error would show it.
  const bearer = inHeader ? [BEARER_SUBPROTOCOL_PREFIX + credential.replace(NO_HEADER, '_')] : [];
  const socket = new webSocket(addressWith(credential), [...codec.subprotocols, ...bearer]);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', () => {
    events.received();
    const auth = { event: '$auth', data: credentials.authData(credential), id: 0 };
    if (via === 'message') socket.send(codec.translate(codec.encode(auth), socket.protocol));
  });
  socket.addEventListener('message', ({ data }) => events.received(data));
  // `close` follows and says it all; `ws` would throw without a listener.
  socket.addEventListener('error', () => undefined);
  socket.addEventListener('close', events.closed);
  return {
    socket,
    // It doesn't show the status of a refused upgrade. So this is the attempt once more, by `GET` and with what it carried:
    // a first message comes later, and its server may take none. A ticket is used up, and would always be answered 401.
    why: async (signal) => {
      const value = name === 'ticket' ? await credentials.obtain() : credential;
      const response = await fetch(addressWith(value).replace(/^ws/, 'http'), {
        headers: inHeader ? { authorization: `Bearer ${value}` } : {},
        credentials: via ? 'same-origin' : 'include',
        cache: 'no-store',
        // Redirects stay unfollowed: a credential must not travel on to another address.
        redirect: 'error',
        signal,
      });
      return answerOf(response);
    },
  };
};
