import { describe, expect, it } from 'vitest';
import type { Connection } from '../connections/connection.js';
import { Refusal } from '../refusal.js';
import { ChannelAccess } from './channel-access.js';
import type { ChannelRule } from './channel-rule.js';
import { ChannelRules } from './channel-rules.js';

const open: ChannelRule = { pattern: '{kind}:{id}', maySubscribe: () => true, mayPublish: () => true };

function accessOf(user: string): { access: ChannelAccess; connection: Connection } {
  const rules = new ChannelRules();
  rules.add(open);
  return { access: new ChannelAccess(rules), connection: { session: { user, claims: {} } } as Connection };
}

describe('a rule that would match everything', () => {
  it.each(['user:alice', 'user:bob', 'user:%zz'])('lets nobody publish to %s', async (channel) => {
    const { access, connection } = accessOf('bob');
    await expect(access.publish({ connection, channel, event: 'say', data: 1 })).resolves.toBeInstanceOf(
      Refusal,
    );
  });

  it.each(['user:alice', 'user:%62ob', 'user:%zz'])('lets nobody else read %s', async (channel) => {
    const { access, connection } = accessOf('bob');
    await expect(access.subscribe({ connection, channel })).resolves.toBeInstanceOf(Refusal);
  });

  it("leaves a user's own channel to its owner", async () => {
    const { access, connection } = accessOf('bob');
    await expect(access.subscribe({ connection, channel: 'user:bob' })).resolves.toBeUndefined();
    await expect(access.subscribe({ connection, channel: 'room:7' })).resolves.toBeUndefined();
  });
});
