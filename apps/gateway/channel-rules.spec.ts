import { Refusal, type Connection, type Session } from '@aerie/realtime';
import { describe, expect, it } from 'vitest';
import { channelRules } from './channel-rules.js';
import { channelsSchema, type Policy } from './channels-config.js';

const claims = { channels: { subscribe: ['room:*'], publish: ['room:7'] } };

function asking(channel: string, session: Session = { user: 'alice', claims }) {
  return { session, connection: { id: 'c1' } as Connection, channel, params: {}, event: 'say', data: 1 };
}

function ruleOf(policy: Policy, hooks?: Parameters<typeof channelRules>[1]) {
  const channels = channelsSchema.parse({
    channels: [{ pattern: 'room:{id}', subscribe: policy, publish: policy }],
  });
  const [rule] = channelRules(channels, hooks);
  if (!rule) throw new Error('no rule');
  return rule;
}

describe('the policy', () => {
  it.each([
    ['nobody', false],
    ['authenticated', true],
    ['hook', false],
  ] as const)('%s without hooks answers %s', async (policy, expected) => {
    const rule = ruleOf(policy);
    expect(await rule.maySubscribe(asking('room:8'))).toBe(expected);
    expect(await rule.mayPublish(asking('room:8'))).toBe(expected);
  });

  it('claims looks at the token, each action on its own', async () => {
    const rule = ruleOf('claims');
    expect(await rule.maySubscribe(asking('room:8'))).toBe(true);
    expect(await rule.mayPublish(asking('room:8'))).toBe(false);
    expect(await rule.mayPublish(asking('room:7'))).toBe(true);
    expect(await rule.maySubscribe(asking('room:8', { user: 'bob', claims: {} }))).toBe(false);
  });

  it('hook asks the hooks and passes their verdict on', async () => {
    const refusal = new Refusal('rate_limited', 'slow down');
    const rule = ruleOf('hook', {
      subscribe: async () => refusal,
      publish: async ({ channel }) => ({ data: channel }),
    });
    expect(await rule.maySubscribe(asking('room:8'))).toBe(refusal);
    expect(await rule.mayPublish(asking('room:8'))).toEqual({ data: 'room:8' });
  });
});

it('carries history, presence and the policy for slow consumers over', () => {
  const channels = [
    { pattern: 'room:{id}', presence: true, history: { size: 5, ttlMs: 1_000 } },
    { pattern: 'ticker', slow: 'conflate' },
  ];
  expect(channelRules(channelsSchema.parse({ channels }))).toMatchObject([
    { pattern: 'room:{id}', presence: true, history: { size: 5, ttlMs: 1_000 }, slow: 'disconnect' },
    { pattern: 'ticker', presence: false, slow: 'conflate' },
  ]);
});
