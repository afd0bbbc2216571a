import type { Rule } from '../rule.js';
import { authRules } from './auth.js';
import { badFrameRules } from './bad-frames.js';
import { compressionRules } from './compression.js';
import { credentialRules } from './credentials.js';
import { firstMessageRules } from './first-message.js';
import { grpcRules } from './grpc.js';
import { grpcServiceRules } from './grpc-services.js';
import { handlerRules } from './handlers.js';
import { handshakeRules } from './handshake.js';
import { historyRules } from './history.js';
import { longPollingRules } from './long-polling.js';
import { messageRules } from './messages.js';
import { msgpackRules } from './msgpack.js';
import { plainChannelRules } from './plain-channels.js';
import { presenceRules } from './presence.js';
import { publishRules } from './publishing.js';
import { recoveryRules } from './recovery.js';
import { sendRules } from './send.js';
import { serverApiRules } from './server-api.js';
import { shortPollingRules } from './short-polling.js';
import { sseRules } from './sse.js';
import { subscriptionRules } from './subscriptions.js';
import { ticketRules } from './tickets.js';
import { welcomeRules } from './welcome.js';
import { wireRules } from './wire.js';

/** Every rule of wire protocol v1 that can be seen from outside; the appendix of docs/wire-protocol.md lists the same. */
export const RULES: readonly Rule[] = [
  ...handshakeRules,
  ...credentialRules,
  ...ticketRules,
  ...firstMessageRules,
  ...welcomeRules,
  ...messageRules,
  ...badFrameRules,
  ...wireRules,
  ...authRules,
  ...subscriptionRules,
  ...publishRules,
  ...historyRules,
  ...recoveryRules,
  ...presenceRules,
  ...plainChannelRules,
  ...serverApiRules,
  ...handlerRules,
  ...msgpackRules,
  ...compressionRules,
  ...sseRules,
  ...sendRules,
  ...longPollingRules,
  ...shortPollingRules,
  ...grpcRules,
  ...grpcServiceRules,
];
