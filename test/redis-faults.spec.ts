import { openClient, type TestClient } from '@aerie/realtime/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, type ExpectStatic, it, vi } from 'vitest';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { type ApiAnswer, callApi } from './support/server-api.js';
import { startTcpProxy } from './support/tcp-proxy.js';

const CHANNELS = JSON.stringify({
  channels: [{ pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated' }],
});
/** A command's timeout and room for a busy machine. */
const BOUNDED_MS = 3_500;
/** Two probes, 5 s apart, each with 2 s to fail. */
const FALL_MS = 16_000;
/** What reconnects by itself, two probes that pass, and up to 5 s of jitter. */
const RETURN_MS = 30_000;

/** Publishes all the time and keeps every answer. */
class Load {
  readonly answers: ApiAnswer[] = [];
  #over = false;
  readonly #running: Promise<unknown>;

  constructor(gateway: RunningGateway) {
    this.#running = Promise.all([this.#publish(gateway, 'a'), this.#publish(gateway, 'b')]);
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#running;
  }

  async #publish(gateway: RunningGateway, publisher: string): Promise<void> {
    for (let n = 0; !this.#over; n += 1) {
      const data = `${publisher}${n}`;
      this.answers.push(await callApi(gateway, 'publish', { channel: 'room:load', event: 'load', data }));
      await sleep(10);
    }
  }
}

describe.concurrent('a gateway whose Redis fails', () => {
  const cleanups: (() => unknown)[] = [];
  afterAll(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  async function redisServer(): Promise<RedisServer> {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    return redis;
  }

  async function gatewayOn(url: string): Promise<RunningGateway> {
    const gateway = await startGateway({ REDIS_URL: url, CHANNELS });
    cleanups.push(() => gateway.stop());
    return gateway;
  }

  async function join(gateway: RunningGateway, user: string, channel?: string): Promise<TestClient> {
    const client = await openClient(gateway.ws(), { token: tokenFor(user) });
    cleanups.push(() => client.socket.terminate());
    await client.frame('$welcome');
    if (channel !== undefined) await client.request('$subscribe', { channel });
    return client;
  }

  it('gets through kill -9 and a restart under load', { timeout: 90_000 }, async ({ expect }) => {
    const redis = await redisServer();
    const [left, right] = await Promise.all([gatewayOn(redis.url), gatewayOn(redis.url)]);
    const ann = await join(left, 'ann', 'room:load');
    const ben = await join(right, 'ben', 'room:load');
    const load = new Load(left);
    cleanups.push(() => load.stop());
    await ben.frame('load');

    await redis.kill();
    const before = load.answers.length;
    await vi.waitFor(() => expect(load.answers.length).toBeGreaterThan(before + 20), { timeout: 10_000 });
    for (const { status, body } of load.answers.slice(before + 2))
      expect({ status, code: body.error?.code }).toEqual({ status: 503, code: 'unavailable' });
    expect(await ann.request('$publish', { channel: 'room:load', event: 'load', data: 0 })).toMatchObject({
      error: { code: 'unavailable' },
    });

    const late = await join(left, 'late');
    expect(await late.request('$subscribe', { channel: 'room:late' })).toMatchObject({
      error: { code: 'unavailable' },
    });
    await isNotReady(left, expect);
    await isNotReady(right, expect);

    await redis.restart();
    await deliversAgain({ from: left, to: ben, channel: 'room:load' }, expect);
    await deliversAgain({ from: right, to: ann, channel: 'room:load' }, expect);
    await deliversAgain({ from: right, to: late, channel: 'user:late' }, expect);
    expect(await late.request('$subscribe', { channel: 'room:late' })).toHaveProperty('data');
    await deliversAgain({ from: right, to: late, channel: 'room:late' }, expect);
    await isReadyAgain(left, expect);
    await isReadyAgain(right, expect);

    await load.stop();
    expect(Math.max(...load.answers.map(({ tookMs }) => tookMs))).toBeLessThan(BOUNDED_MS);
    for (const client of [ann, ben, late]) expect(client.socket.readyState).toBe(client.socket.OPEN);
    expect(left.log + right.log).not.toMatch(/unhandled|"level":(50|60)/i);
  });

  it('gets through a Redis that stands still for 5 s', { timeout: 60_000 }, async ({ expect }) => {
    const redis = await redisServer();
    const gateway = await gatewayOn(redis.url);
    const ann = await join(gateway, 'ann', 'room:still');
    redis.pause();
    const resumed = sleep(5_000).then(() => redis.resume());

    const publication = { channel: 'room:still', event: 'paid', data: 1, idempotencyKey: 'invoice-1' };
    const answers = await Promise.all([
      callApi(gateway, 'publish', publication),
      callApi(gateway, 'broadcast', { event: 'hello' }),
      callApi(gateway, 'disconnect', { user: 'nobody' }),
      callApi(gateway, 'revoke', { user: 'nobody' }),
    ]);
    for (const { status, body, tookMs } of answers) {
      expect({ status, code: body.error?.code }).toEqual({ status: 503, code: 'unavailable' });
      expect(tookMs).toBeLessThan(BOUNDED_MS);
    }
    expect(answers[0]?.body.error?.details).toEqual({ idempotencyKey: 'invoice-1' });
    const late = await join(gateway, 'late');
    await resumed;

    await deliversAgain({ from: gateway, to: ann, channel: 'room:still' }, expect);
    await deliversAgain({ from: gateway, to: late, channel: 'user:late' }, expect);
    expect((await callApi(gateway, 'publish', publication)).status).toBe(200);
    await gateway.api('publish', { channel: 'room:still', event: 'end' });
    await ann.frame('end');
    expect(ann.received.filter(({ event }) => event === 'paid')).toHaveLength(1);
    for (const client of [ann, late]) expect(client.socket.readyState).toBe(client.socket.OPEN);
  });

  it('finds out that its connections to Redis are half-open', { timeout: 90_000 }, async ({ expect }) => {
    const redis = await redisServer();
    const proxy = await startTcpProxy(redis.port);
    cleanups.push(() => proxy.close());
    const gateway = await gatewayOn(`redis://127.0.0.1:${proxy.port}`);
    const ann = await join(gateway, 'ann', 'room:half');

    proxy.setMode('blackhole');
    const { status, tookMs } = await callApi(gateway, 'publish', { channel: 'room:half', event: 'lost' });
    expect(status).toBe(503);
    expect(tookMs).toBeLessThan(BOUNDED_MS);
    await isNotReady(gateway, expect);
    const late = await join(gateway, 'late');

    proxy.setMode('pass');
    await deliversAgain({ from: gateway, to: ann, channel: 'room:half' }, expect);
    await deliversAgain({ from: gateway, to: late, channel: 'user:late' }, expect);
    await isReadyAgain(gateway, expect);
    for (const client of [ann, late]) expect(client.socket.readyState).toBe(client.socket.OPEN);
  });
});

interface Readiness {
  readonly status: number;
  readonly body: { readonly error?: Record<string, unknown> };
}

async function readiness({ url }: RunningGateway): Promise<Readiness> {
  const response = await fetch(`${url}/health/ready`);
  return { status: response.status, body: (await response.json()) as Readiness['body'] };
}

async function isNotReady(gateway: RunningGateway, expect: ExpectStatic): Promise<void> {
  await vi.waitFor(
    async () => {
      const { status, body } = await readiness(gateway);
      expect({ status, names: Object.keys(body.error ?? {}) }).toEqual({ status: 503, names: ['backplane'] });
    },
    { timeout: FALL_MS, interval: 100 },
  );
}

async function isReadyAgain(gateway: RunningGateway, expect: ExpectStatic): Promise<void> {
  await vi.waitFor(async () => expect((await readiness(gateway)).status).toBe(200), {
    timeout: RETURN_MS,
    interval: 100,
  });
}

interface Route {
  readonly from: RunningGateway;
  readonly to: TestClient;
  readonly channel: string;
}

/** Without any help: the next publications arrive. */
async function deliversAgain({ from, to, channel }: Route, expect: ExpectStatic): Promise<void> {
  const event = `again-${channel}-${Math.random()}`;
  await vi.waitFor(
    async () => {
      await callApi(from, 'publish', { channel, event });
      await sleep(20);
      expect(to.received.some((frame) => frame.event === event)).toBe(true);
    },
    { timeout: RETURN_MS, interval: 100 },
  );
}
