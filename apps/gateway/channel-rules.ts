import type { ChannelRequest, ChannelRule } from '@aerie/realtime';
import { claimsGrant } from './channel-claims.js';
import type { ChannelConfig, Policy } from './channels-config.js';
import type { HooksClient } from './hooks/hooks-client.js';

/** Whom the policy `hook` asks. */
export type ChannelHooks = Pick<HooksClient, 'subscribe' | 'publish'>;

type Subscribe = ChannelRule['maySubscribe'];
type Publish = ChannelRule['mayPublish'];

/** Turns the gateway's configuration into the library's channel rules. Without `hooks` the policy `hook` denies. */
export function channelRules(channels: readonly ChannelConfig[], hooks?: ChannelHooks): ChannelRule[] {
  const subscribe: Record<Policy, Subscribe> = {
    ...shared('subscribe'),
    hook: (request) => hooks?.subscribe(request) ?? false,
  };
  const publish: Record<Policy, Publish> = {
    ...shared('publish'),
    hook: (request) => hooks?.publish(request) ?? false,
  };
  return channels.map((channel) => ({
    pattern: channel.pattern,
    ...(channel.history && { history: channel.history }),
    presence: channel.presence,
    slow: channel.slow,
    maySubscribe: subscribe[channel.subscribe],
    mayPublish: publish[channel.publish],
  }));
}

function shared(action: 'subscribe' | 'publish') {
  return {
    nobody: () => false,
    authenticated: () => true,
    claims: ({ session, channel }: ChannelRequest) => claimsGrant(session.claims, action, channel),
  };
}
