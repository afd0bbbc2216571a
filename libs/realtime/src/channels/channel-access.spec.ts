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

describe('a channel that is forbidden', () => {
  it.each([
    ['a plain no', () => false],
    ['a refusal', () => new Refusal('forbidden', 'this board is for its members')],
    ['a channel that is gone', () => new Refusal('not_found', 'the board was archived')],
  ])('is answered like one that nobody has: %s', async (_what, maySubscribe) => {
    const rules = new ChannelRules();
    rules.add({ ...open, pattern: 'board:{id}', maySubscribe });
    const access = new ChannelAccess(rules);
    const connection = { session: { user: 'bob', claims: {} } } as Connection;
    const refused = await access.subscribe({ connection, channel: 'board:7' });
    const unknown = await access.subscribe({ connection, channel: 'nobody:7' });
    expect(refused?.body).toEqual(unknown?.body);
  });

  it('says so where the rule could not be asked', async () => {
    const rules = new ChannelRules();
    rules.add({ ...open, maySubscribe: () => new Refusal('unavailable', 'the hook did not answer') });
    const connection = { session: { user: 'bob', claims: {} } } as Connection;
    const refused = await new ChannelAccess(rules).subscribe({ connection, channel: 'board:7' });
    expect(refused?.code).toBe('unavailable');
  });
});
