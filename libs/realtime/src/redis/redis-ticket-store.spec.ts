import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Tickets } from '../handshake/tickets.js';
import { startRedis, type RedisServer } from '../../../../test/support/redis-server.js';
import { describeTicketStore } from '../testing/contracts/ticket-store.contract.js';
import { RedisTicketStore } from './redis-ticket-store.js';

describeTicketStore('Redis', async () => {
  const client = new Redis(inject('redisUrl'));
  const store = new RedisTicketStore(client, `${randomUUID()}:`);
  return { store, close: async () => void (await client.quit()) };
});

describe('tickets in Redis', () => {
  let server: RedisServer;
  let clients: readonly Redis[];
  beforeAll(async () => {
    server = await startRedis();
    clients = [new Redis(server.url), new Redis(server.url)];
    for (const client of clients) client.on('error', () => undefined);
  });
  afterAll(async () => {
    for (const client of clients) client.disconnect();
    await server.stop();
  });
  const nodes = (): Tickets[] => clients.map((client) => new Tickets(new RedisTicketStore(client, 'a:')));

  it('are redeemed on any node, by one of many', async () => {
    const [one, other] = nodes() as [Tickets, Tickets];
    const issued = await one.issue({ user: 'alice', claims: {} });
    const ticket = 'ticket' in issued ? issued.ticket : '';
    const takers = Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? one : other).redeem(ticket));
    const outcomes = await Promise.all(takers);
    expect(outcomes.filter((outcome) => 'user' in outcome)).toEqual([{ user: 'alice', claims: {} }]);
    expect(outcomes.filter((outcome) => 'status' in outcome && outcome.status === 401)).toHaveLength(49);
  });

  it('are kept as digests, for 30 s, under the prefix', async () => {
    const [node] = nodes() as [Tickets];
    const issued = await node.issue({ user: 'alice', claims: {} });
    const keys = (await clients[0]?.keys('*')) ?? [];
    expect(keys).toHaveLength(1);
    expect(keys[0]).toMatch(/^a:1:ticket:[\w-]{43}$/);
    expect(keys[0]).not.toContain('ticket' in issued ? issued.ticket : 'a:');
    expect(await clients[0]?.pttl(keys[0] ?? '')).toBeGreaterThan(29_000);
  });

  it('are 503, neither 401 nor an endless wait, while Redis is silent', async () => {
    const [node] = nodes() as [Tickets];
    const issued = await node.issue({ user: 'alice', claims: {} });
    server.pause();
    try {
      const before = performance.now();
      const ticket = 'ticket' in issued ? issued.ticket : '';
      const outcomes = await Promise.all([
        node.redeem(ticket),
        node.peek(ticket),
        node.issue({ user: 'bob', claims: {} }),
      ]);
      for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 503, code: 'unavailable' });
      expect(performance.now() - before).toBeLessThan(3_000);
    } finally {
      server.resume();
    }
  });
});
