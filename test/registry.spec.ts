import * as fc from 'fast-check';
import { WebSocketGateway } from '@nestjs/websockets';
import { ConnectionRegistry, RealtimeService } from '@aerie/realtime';
import { RealtimeMetrics, RealtimeMetricsModule } from '@aerie/realtime/metrics';
import { openClient, type TestClient, UpgradeRefused } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { tokenFor } from './support/gateway.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

@WebSocketGateway({ path: '/ws' })
class PlainGateway {}

const USERS = ['alice', 'bob', 'carol'];
const WAIT = { timeout: 10_000, interval: 10 };

/** Gauges that show the process, not who is connected to it. */
const OF_THE_PROCESS = /^aerie_(fd_|event_loop_|backplane_|saturation)/;

let app: NestApp;

beforeAll(async () => {
  app = await startNestApp(
    { imports: [RealtimeMetricsModule.forRoot({})], providers: [PlainGateway] },
    {
      realtime: {
        limits: { maxConnectionsPerUser: 5, messagesPerSecond: 1_000, messagesBurst: 1_000 },
        channels: [{ pattern: 'room:{id}', maySubscribe: () => true, mayPublish: () => true }],
      },
    },
  );
});
afterAll(() => app.close());

async function gauges(): Promise<Record<string, number>> {
  const text = await app.get(RealtimeMetrics).registry.metrics();
  const names = [...text.matchAll(/^# TYPE (aerie_\w+) gauge$/gm)].map(([, name]) => name ?? '');
  const present = names.filter((name) => !OF_THE_PROCESS.test(name));
  return Object.fromEntries(
    present.map((name) => [name, Number(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'm').exec(text)?.[1])]),
  );
}

/** The clients of one run, and who of them is connected, as their own sockets know it. */
class Crowd {
  readonly all: TestClient[] = [];
  readonly #ids = new Map<TestClient, string>();
  readonly #quarantined = new Set<TestClient>();

  async open(user: string): Promise<void> {
    try {
      const client = await openClient(app.ws(), { token: tokenFor(user) });
      this.all.push(client);
      await this.#welcomed(client);
    } catch (error) {
      if (!(error instanceof UpgradeRefused) || error.status !== 429) throw error;
    }
  }

  async beRefused(): Promise<void> {
    await expect(openClient(app.ws(), { token: 'wrong' })).rejects.toThrow(UpgradeRefused);
  }

  async wait(): Promise<void> {
    const client = await openClient(app.ws());
    this.all.push(client);
    this.#quarantined.add(client);
  }

  async authenticate(user: string, token = tokenFor(user)): Promise<void> {
    const [client] = this.#quarantined;
    if (client === undefined) return;
    this.#quarantined.delete(client);
    client.send('$auth', { token });
    await Promise.race([this.#welcomed(client), client.closed]);
  }

  get openIds(): string[] {
    const open = [...this.#ids].filter(([{ socket }]) => socket.readyState === socket.OPEN);
    return open.map(([, id]) => id).toSorted();
  }

  async closeAll(): Promise<void> {
    for (const { socket } of this.all) socket.close();
    await Promise.all(this.all.map(({ closed }) => closed));
  }

  async #welcomed(client: TestClient): Promise<void> {
    try {
      const { data } = await client.frame('$welcome');
      this.#ids.set(client, (data as { connection: string }).connection);
    } catch {
      // Closed first: it is not one of the connected.
    }
  }
}

const user = fc.constantFrom(...USERS);
const channel = fc.constantFrom('room:1', 'room:2', 'forbidden');
const someone = fc.nat();
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ open: user }) },
  { weight: 4, arbitrary: fc.record({ subscribe: someone, channel }) },
  { weight: 2, arbitrary: fc.record({ unsubscribe: someone, channel }) },
  { weight: 1, arbitrary: fc.record({ say: someone, channel }) },
  { weight: 2, arbitrary: fc.record({ drop: someone }) },
  { weight: 1, arbitrary: fc.record({ goodbye: someone }) },
  { weight: 1, arbitrary: fc.record({ garble: someone }) },
  { weight: 1, arbitrary: fc.record({ disconnect: user }) },
  { weight: 1, arbitrary: fc.record({ authenticate: user, good: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constantFrom('refused' as const, 'wait' as const) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

async function take(action: Step, crowd: Crowd): Promise<void> {
  if (action === 'refused') return crowd.beRefused();
  if (action === 'wait') return crowd.wait();
  if ('open' in action) return crowd.open(action.open);
  if ('authenticate' in action)
    return crowd.authenticate(action.authenticate, action.good ? undefined : 'wrong');
  if ('disconnect' in action) {
    await app.get(RealtimeService).user(action.disconnect).disconnect();
    return;
  }
  const [index = 0] = Object.values(action).filter((value) => typeof value === 'number');
  const client = crowd.all[index % Math.max(1, crowd.all.length)];
  if (client !== undefined && client.socket.readyState === client.socket.OPEN) act(action, client);
}

function act(action: Exclude<Step, string>, client: TestClient): void {
  const { socket } = client;
  if ('drop' in action) socket.terminate();
  else if ('goodbye' in action) socket.close();
  else if ('garble' in action) socket.send('{');
  else if ('subscribe' in action) client.send('$subscribe', { channel: action.channel });
  else if ('unsubscribe' in action) client.send('$unsubscribe', { channel: action.channel });
  else if ('say' in action) client.send('$publish', { channel: action.channel, event: 'say' });
}

describe('after any sequence of opens, drops, kills, goodbyes, refusals, subscribes and unsubscribes', () => {
  it('the registry equals the set of open sockets, and every gauge returns to zero', async () => {
    const registry = app.get(ConnectionRegistry);
    expect(Object.keys(await gauges())).toEqual(
      expect.arrayContaining([
        'aerie_connections',
        'aerie_quarantined',
        'aerie_users',
        'aerie_subscriptions',
      ]),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const crowd = new Crowd();
        for (const action of steps) await take(action, crowd);
        await vi.waitFor(() => {
          expect(Array.from(registry.all(), ({ id }) => id).toSorted()).toEqual(crowd.openIds);
        }, WAIT);
        const { users, subscriptions } = registry;
        const connections = [...registry.all()];
        expect(users).toBe(new Set(connections.map(({ session }) => session.user)).size);
        expect(subscriptions).toBe(connections.reduce((sum, { channels }) => sum + channels.size, 0));
        await crowd.closeAll();
        await expect
          .poll(async () => Object.entries(await gauges()).filter(([, value]) => value !== 0), WAIT)
          .toEqual([]);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  }, 120_000);
});
