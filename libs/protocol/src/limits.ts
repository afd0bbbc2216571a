// Apart from the table for those who need one of them: a client's bundle doesn't carry the rest.
export const CHANNEL_BYTES = 200;
export const EVENT_BYTES = 128;
export const USER_BYTES = 128;

/** Bounds that both ends know. Bytes are UTF-8. */
export const LIMITS = {
  channelBytes: CHANNEL_BYTES,
  eventBytes: EVENT_BYTES,
  idBytes: 64,
  jsonDepth: 64,
  userBytes: USER_BYTES,
  channelsPerConnection: 128,
  /** Of a connection that is told where its channels stand: their positions travel in one header. */
  channelsPerStream: 32,
  idempotencyKeyBytes: 128,
  errorFrameBytes: 256,
  historyPage: 100,
  presencePage: 1_000,
  replyBytes: 256 * 1024,
} as const;

/** The WebSocket subprotocol whose frames are JSON texts: also what is spoken where none was offered. */
export const JSON_SUBPROTOCOL = 'aerie.v1.json';
/** The same objects in MessagePack, in binary frames. */
export const MSGPACK_SUBPROTOCOL = 'aerie.v1.msgpack';
/** WebSocket subprotocols that a server of this version speaks, best first. */
export const SUBPROTOCOLS = [MSGPACK_SUBPROTOCOL, JSON_SUBPROTOCOL] as const;
/** A browser can't set headers on a WebSocket: `aerie.bearer.<jwt>` carries its token. */
export const BEARER_SUBPROTOCOL_PREFIX = 'aerie.bearer.';
