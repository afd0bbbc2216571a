import { randomUUID } from 'node:crypto';
import { Global, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { DriverConnections, driverToken } from '../driver-token.js';
import { FailureCounter } from '../handshake/failure-counter.js';
import { History } from '../history/history.js';
import { TicketStore } from '../handshake/ticket-store.js';
import { Backplane } from '../publishing/backplane.js';
import { NodeDirectory } from '../sessions/node-directory.js';
import { RevocationLog } from '../sessions/revocations.js';
import { RealtimeRedisModule } from './redis.module.js';

const CLIENT = Symbol('the client of the application');

@Module({})
class AppModule {}

describe('the redis module', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of cleanups.splice(0).toReversed()) await end();
  });

  async function compile(redis: ReturnType<typeof RealtimeRedisModule.forRoot>): Promise<TestingModule> {
    const module = await Test.createTestingModule({ imports: [AppModule, redis] }).compile();
    cleanups.push(() => module.close());
    cleanups.push(() => module.get<DriverConnections>(driverToken(DriverConnections)).close());
    cleanups.push(() => module.get<FailureCounter>(driverToken(FailureCounter)).close());
    return module;
  }

  it('offers a driver of every port that has one, by url', async () => {
    const module = await compile(
      RealtimeRedisModule.forRoot({ url: inject('redisUrl'), prefix: prefixOf() }),
    );
    for (const port of [Backplane, History, TicketStore, FailureCounter, NodeDirectory, RevocationLog]) {
      expect(module.get(driverToken(port))).toBeInstanceOf(port);
    }
    const tickets = module.get<TicketStore>(driverToken(TicketStore));
    await tickets.put('digest', { user: 'alice', claims: {} }, 5_000);
    expect(await tickets.take('digest')).toEqual({ user: 'alice', claims: {} });
  });

  it("leaves the application's client open", async () => {
    const client = new Redis(inject('redisUrl'));
    cleanups.push(() => client.quit());
    const module = await compile(RealtimeRedisModule.forRoot({ client, prefix: prefixOf() }));
    const backplane = module.get<Backplane>(driverToken(Backplane));
    await backplane.start({ deliver: () => undefined, gap: () => undefined });
    expect((await backplane.probe(2_000)).up).toBe(true);
    await backplane.close();
    await module.get<DriverConnections>(driverToken(DriverConnections)).close();
    expect(await client.ping()).toBe('PONG');
  });

  it('takes its options from a factory with dependencies', async () => {
    @Global()
    @Module({
      providers: [{ provide: CLIENT, useFactory: () => new Redis(inject('redisUrl')) }],
      exports: [CLIENT],
    })
    class ClientModule {}
    const module = await compile(
      RealtimeRedisModule.forRootAsync({
        imports: [ClientModule],
        inject: [CLIENT],
        useFactory: (client: Redis) => ({ client, prefix: prefixOf() }),
      }),
    );
    cleanups.push(() => module.get<Redis>(CLIENT).quit());
    const directory = module.get<NodeDirectory>(driverToken(NodeDirectory));
    const info = { node: 'one', connections: 0, users: 0, startedAt: 1, draining: false };
    await directory.renew({ info, fence: 'f', leaseMs: 10_000, joins: true });
    expect(await directory.list()).toHaveLength(1);
  });
});

function prefixOf(): string {
  return `spec-${randomUUID()}:`;
}
