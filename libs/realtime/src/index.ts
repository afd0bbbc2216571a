export { Bytes, type BytesInJson } from '@aerie/protocol';
export { Channel, ChannelName, ChannelParam, OnPublish, OnSubscribe } from './channels/channel.decorator.js';
export type {
  ChannelOptions,
  ChannelRequest,
  ChannelRule,
  PublishRequest,
  PublishVerdict,
} from './channels/channel-rule.js';
export { ChannelRules } from './channels/channel-rules.js';
export { Admission } from './connections/admission.js';
export { Connection, type ConnectionEnd } from './connections/connection.js';
export { ConnectionRegistry } from './connections/connection-registry.js';
export { Descriptors } from './connections/descriptors.js';
export type { Session } from './connections/session.js';
export type { Transport } from './connections/wire.js';
export { DriverConnections, driverToken } from './driver-token.js';
export type { AuthOptions, GuardedRequest, JwtOptions, SessionLike } from './handshake/auth-options.js';
export {
  Authenticator,
  type Credential,
  type CredentialSource,
  type HandshakeRequest,
} from './handshake/authenticator.js';
export { ClientAddress } from './handshake/client-address.js';
export { CurrentSession } from './handshake/current-session.decorator.js';
export { FailureCounter } from './handshake/failure-counter.js';
export { HandshakeOnly } from './handshake/handshake-only.decorator.js';
export { OriginPolicy } from './handshake/origin.js';
export { Refusal } from './refusal.js';
export { sessionOf } from './handshake/request-identity.js';
export { assertStrongSecret } from './handshake/secret-verifier.js';
export { SessionAuthentication } from './handshake/session-authentication.js';
export { RefusedException, SessionGuard } from './handshake/session.guard.js';
export { TicketStore } from './handshake/ticket-store.js';
export { Tickets } from './handshake/tickets.js';
export { Visitor } from './handshake/visitor.js';
export type { HistoryOutcome, PageRequest } from './history/channel-histories.js';
export {
  type Append,
  History,
  type HistoryChannel,
  type HistoryEntry,
  type HistoryLimits,
  type HistoryPage,
  type HistoryRange,
} from './history/history.js';
export { HttpEdge } from './http/http-edge.js';
export type { Route, RouteContext, RouteOutcome, RouteReply } from './http/route.js';
export type { PresenceOutcome, PresencePageRequest } from './presence/channel-presence.js';
export {
  type PresenceChange,
  type PresenceEntering,
  type PresenceLeaving,
  type PresenceMember,
  type PresencePage,
  type PresenceRange,
  PresenceStore,
  type PresenceSweep,
} from './presence/presence-store.js';
export {
  type Announced,
  type Announcement,
  Backplane,
  type BackplaneHealth,
  type BackplaneListener,
  BackplaneUnavailable,
} from './publishing/backplane.js';
export { channelOfPresence, presenceChannel } from './publishing/internal-channels.js';
export type { CommandOutcome, PublishOutcome } from './publishing/outcome.js';
export { RealtimeModule } from './realtime.module.js';
export type { RealtimeAsyncOptions, RealtimeLimits, RealtimeOptions } from './realtime.options.js';
export {
  type ChannelHandle,
  type EventMap,
  type PublishOptions,
  type RealtimeInfo,
  RealtimeService,
  type UserHandle,
} from './realtime.service.js';
export {
  type DeadLease,
  type Lease,
  type LeaseClaim,
  type LeaseState,
  NodeDirectory,
  type NodeInfo,
  type LeaseView,
  type SweepTimes,
} from './sessions/node-directory.js';
export { type Revocation, RevocationLog } from './sessions/revocations.js';
export type { SessionEvent } from './sessions/session-event.js';
export type { SessionListener } from './sessions/session-events.js';
export {
  type ClaimOptions,
  type ConnectionRecord,
  type Entering,
  type Leaving,
  type SessionChange,
  SessionRegistry,
  type SweepStep,
  type UserLimit,
  type UserSessions,
  type Written,
} from './sessions/session-registry.js';
export type { SessionOptions } from './sessions/session-times.js';
export type { UserConnection } from './sessions/sessions.js';
export { ClientFacade } from './transports/client-facade.js';
export type { CompressionOptions } from './transports/websocket/framings.js';
export { RealtimeWsAdapter } from './transports/websocket/realtime-ws.adapter.js';
