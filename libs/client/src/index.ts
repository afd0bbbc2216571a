export { closeAdvice, type CloseAdvice, type ErrorCode, type Position, type Welcome } from '@aerie/protocol';
export type {
  DirectFrame,
  HistoryReply,
  Member,
  PublicationFrame,
  PublishReply,
  SubscribeReply,
} from '@aerie/protocol';
export type { ChannelState, Resync } from './channel-state.js';
export type { Channel } from './channel.js';
export { RealtimeClient } from './client.js';
export type { Codec, Encoded } from './codec.js';
export type { CredentialOptions, TokenVia } from './credentials.js';
export type { Unlisten } from './emitter.js';
export { RealtimeError } from './errors.js';
export type { Abortable, EventName, Publication } from './events.js';
export type { RequestOptions } from './exchange.js';
export type { RealtimeOptions } from './options.js';
export type { PublishOptions } from './publish.js';
export type { Cause, RealtimeState } from './state.js';
export type { Fallbacks } from './transport.js';
export type { WebSocketConstructor, WebSocketLike } from './web-socket.js';
