import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTo } from 'node:net';
import { type ServiceError, status as STATUS } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from './support/free-port.js';
import { API_KEY, type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { GrpcConnection, metadata, reflected, reply, stub } from './support/grpc-client.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { startTcpProxy } from './support/tcp-proxy.js';

const history = { size: 1_000, ttlMs: 60_000 };
const CHANNELS = JSON.stringify({
  channels: [
    { pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated', history },
    { pattern: 'live:{id}', subscribe: 'authenticated', publish: 'authenticated' },
    { pattern: 'closed:{id}' },
  ],
});
const WAIT = { timeout: 15_000 };

interface GrpcGateway extends RunningGateway {
  readonly grpc: string;
}

async function start(env: Readonly<Record<string, string>>): Promise<GrpcGateway> {
  const port = await freePort();
  const gateway = await startGateway({ CHANNELS, GRPC_PORT: String(port), ...env });
  return Object.assign(gateway, { grpc: `127.0.0.1:${port}` });
}

describe('gRPC', () => {
  let redis: RedisServer;
  let first: GrpcGateway;
  let second: GrpcGateway;

  beforeAll(async () => {
    redis = await startRedis();
    const env = { REDIS_URL: redis.url, HEARTBEAT_INTERVAL_MS: '2000', HEARTBEAT_TIMEOUT_MS: '2000' };
    [first, second] = await Promise.all([start(env), start(env)]);
  });
  afterAll(async () => {
    await Promise.all([first?.stop(), second?.stop()]);
    await redis?.stop();
  });

  async function publish(channel: string, ...data: unknown[]): Promise<void> {
    for (const datum of data) await second.api('publish', { channel, event: 'count', data: datum });
  }

  it('welcomes, answers messages, and brings what is published', async () => {
    const ann = connect(first, 'ann');
    const welcome = await ann.event('$welcome');
    expect(JSON.parse(welcome['data'] as string)).toMatchObject({ user: 'ann', transport: 'grpc' });
    expect(ann.frames[0]).toBe(welcome);
    expect(await ann.ask('$subscribe', { channel: 'room:a' })).toMatchObject({
      channel: 'room:a',
      offset: 0,
    });
    expect(await ann.ask('$subscribe', { channel: 'closed:a' })).toMatchObject({ code: 'forbidden' });
    await publish('room:a', { text: 'hé "x"' });
    await vi.waitFor(() => expect(ann.dataOf('count')).toEqual([{ text: 'hé "x"' }]), WAIT);
    expect(await ann.ask('$publish', { channel: 'room:a', event: 'say', data: null })).toMatchObject({
      channel: 'room:a',
      offset: 2,
    });
    expect(await ann.event('say')).toMatchObject({ channel: 'room:a', data: 'null', offset: 2, from: 'ann' });
    expect(await ann.ask('nobody.knows')).toMatchObject({ code: 'unknown_event' });
    expect(await first.metric('aerie_connections{transport="grpc"}')).toBe(1);
    ann.call.end();
    expect(await ann.ended()).toMatchObject({ code: STATUS.OK });
    await vi.waitFor(async () => expect(await first.connections()).toBe(0), WAIT);
    ann.cut();
  });

  it('goes on without loss on another node after a cut', async () => {
    const before = connect(first, 'bob');
    const { epoch } = (await before.ask('$subscribe', { channel: 'room:b' })) as { epoch: string };
    await publish('room:b', 1, 2);
    await vi.waitFor(() => expect(before.dataOf('count')).toEqual([1, 2]), WAIT);
    before.cut();
    await publish('room:b', 3, 4);
    const after = connect(second, 'bob');
    const position = { epoch, offset: 2 };
    const back = (await after.ask('$subscribe', { channel: 'room:b', position })) as {
      publications: { data: number }[];
    };
    expect(back).toMatchObject({ recovered: true, offset: 4 });
    expect(back.publications.map(({ data }) => data)).toEqual([3, 4]);
    await publish('room:b', 5);
    await vi.waitFor(() => expect(after.dataOf('count')).toEqual([5]), WAIT);
    after.cut();
  });

  it('takes a ticket, once', async () => {
    const ticket = await first.ticket(tokenFor('cyd'));
    const cyd = new GrpcConnection(first.grpc, { 'aerie-ticket': ticket });
    await cyd.event('$welcome');
    const again = new GrpcConnection(second.grpc, { 'aerie-ticket': ticket });
    expect(await again.ended()).toMatchObject({ code: STATUS.UNAUTHENTICATED });
    cyd.cut();
    again.cut();
    expect(first.log + second.log).not.toContain(ticket);
  });

  it.each([
    ['without a credential', {}, STATUS.UNAUTHENTICATED],
    ['with a bad one', { authorization: 'Bearer nonsense' }, STATUS.UNAUTHENTICATED],
    ['from a foreign page', { ...bearer('dan'), origin: 'https://evil.test' }, STATUS.PERMISSION_DENIED],
  ] as [string, Record<string, string>, number][])('refuses who comes %s', async (_how, fields, code) => {
    const refused = new GrpcConnection(first.grpc, fields);
    expect((await refused.ended()).code).toBe(code);
    expect(refused.frames).toEqual([]);
    refused.cut();
  });

  it('closes with a last frame and a status that say the same', async () => {
    const eve = connect(first, 'eve');
    await eve.event('$welcome');
    await second.api('disconnect', { user: 'eve' });
    const status = await eve.ended();
    expect(status).toMatchObject({ code: STATUS.PERMISSION_DENIED, details: 'disconnected' });
    expect(eve.dataOf('$close')).toEqual([{ code: 4403, reason: 'disconnected' }]);
    eve.cut();
  });

  it('answers what is no message, and ends what is too large', async () => {
    const fay = connect(first, 'fay');
    await fay.event('$welcome');
    fay.call.write({ event: 'x', data: '1,"event":"$ping"' });
    await fay.frame(({ error }) => (error as { code?: string } | null)?.code === 'bad_frame');
    fay.call.write({ event: '$subscribe', id: '7', data: '{channel: "room:f"}' });
    const { error } = await fay.frame(({ id }) => id === '7');
    expect(error).toMatchObject({ code: 'bad_frame', message: 'data must be JSON' });
    fay.send('x', 'a'.repeat(70_000));
    expect(await fay.ended()).toMatchObject({ code: STATUS.RESOURCE_EXHAUSTED });
    expect(fay.dataOf('$close')).toMatchObject([{ code: 1009 }]);
    fay.cut();
  });

  it('closes who reads too slowly with 4008, and keeps the others', async () => {
    const slow = connect(first, 'gus');
    const quick = connect(first, 'hal');
    await Promise.all([slow, quick].map((one) => one.ask('$subscribe', { channel: 'live:g' })));
    slow.call.pause();
    const large = 'x'.repeat(60_000);
    for (let sent = 0; sent < 60; sent += 1) await publish('live:g', large);
    await vi.waitFor(() => expect(quick.dataOf('count')).toHaveLength(60), WAIT);
    slow.call.resume();
    const status = await slow.ended();
    expect(status.code).toBe(STATUS.RESOURCE_EXHAUSTED);
    expect(slow.dataOf('$close')).toEqual([{ code: 4008, reason: 'slow consumer' }]);
    expect(quick.status).toBeUndefined();
    quick.cut();
  });

  it('keeps who is silent but alive', async () => {
    const ivy = connect(first, 'ivy');
    const { connection } = JSON.parse((await ivy.event('$welcome'))['data'] as string) as {
      connection: string;
    };
    // Longer than interval and timeout together.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(await ivy.ask('$ping')).toBeDefined();
    expect(connection).not.toBe('');
    ivy.cut();
  });

  it('finds out that a peer is dead', async () => {
    const proxy = await startTcpProxy(Number(first.grpc.split(':')[1]));
    const before = await first.metric('aerie_heartbeat_timeouts_total');
    const lee = new GrpcConnection(`127.0.0.1:${proxy.port}`, bearer('lee'));
    await lee.event('$welcome');
    expect(await first.connections()).toBe(1);
    proxy.setMode('blackhole');
    await vi.waitFor(async () => expect(await first.connections()).toBe(0), WAIT);
    expect(await first.metric('aerie_heartbeat_timeouts_total')).toBe(before + 1);
    lee.cut();
    await proxy.close();
  });

  it('publishes for a backend with a key, once per idempotency key', async () => {
    const jon = connect(second, 'jon');
    await jon.ask('$subscribe', { channel: 'room:j' });
    const backend = stub(first.grpc, 'aerie.v1.Realtime');
    const request = { channel: 'room:j', event: 'count', data: '{"n":1}', idempotency_key: 'a-key' };
    const key = metadata({ authorization: `Bearer ${API_KEY}` });
    const position = await reply((done) => backend.Publish(request, key, done));
    expect(position).toEqual({ channel: 'room:j', epoch: expect.any(String) as string, offset: 1 });
    expect(await reply((done) => backend.Publish(request, key, done))).toMatchObject({
      epoch: position['epoch'],
      offset: 1,
      duplicate: true,
    });
    await vi.waitFor(() => expect(jon.dataOf('count')).toEqual([{ n: 1 }]), WAIT);
    const wrong = reply((done) => backend.Publish(request, metadata(bearer('jon')), done));
    await expect(wrong).rejects.toMatchObject({ code: STATUS.UNAUTHENTICATED });
    const invalid = reply((done) => backend.Publish({ ...request, data: '{' }, key, done));
    await expect(invalid).rejects.toMatchObject({ code: STATUS.INVALID_ARGUMENT });
    const nowhere = reply((done) => backend.Publish({ ...request, channel: 'no such' }, key, done));
    const refused = (await nowhere.catch((error: unknown) => error)) as ServiceError;
    expect(refused.code).toBe(STATUS.INVALID_ARGUMENT);
    const [details] = refused.metadata.get('grpc-status-details-bin');
    expect(String(details)).toMatch(/google\.rpc\.BadRequest.*channel.*must be 1-200 bytes/s);
    backend.close();
    jon.cut();
  });

  it('survives what is not gRPC', async () => {
    const port = Number(first.grpc.split(':')[1]);
    const garbage = connectTo(port, '127.0.0.1');
    garbage.end('GET / HTTP/1.1\r\n\r\n').resume();
    await once(garbage, 'close');
    const session = connectHttp2(`http://${first.grpc}`);
    expect(await statusOf(session, { ':method': 'GET', ':path': '/' })).toEqual({ http: 415 });
    const call = { ':method': 'POST', 'content-type': 'application/grpc' };
    expect(await statusOf(session, { ...call, ':path': '/nobody/Knows' })).toEqual({
      http: 200,
      grpc: STATUS.UNIMPLEMENTED,
    });
    const path = '/aerie.v1.Realtime/Publish';
    expect(await statusOf(session, { ...call, ':path': path, 'grpc-encoding': 'gzip' })).toEqual({
      http: 200,
      grpc: STATUS.UNIMPLEMENTED,
    });
    expect(await statusOf(session, { ...call, ':path': path })).toEqual({
      http: 200,
      grpc: STATUS.INVALID_ARGUMENT,
    });
    session.destroy();
    const wide = new GrpcConnection(first.grpc, { ...bearer('max'), wide: 'x'.repeat(40_000) });
    expect((await wide.ended()).code).not.toBe(STATUS.OK);
    wide.cut();
    const max = connect(first, 'max');
    await max.event('$welcome');
    max.cut();
  });

  it('tells by reflection what it serves', async () => {
    const listed = await reflected(first.grpc, { list_services: '' });
    const { service } = listed['list_services_response'] as { service: { name: string }[] };
    expect(service.map(({ name }) => name)).toEqual([
      'aerie.v1.Realtime',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
    ]);
    const described = await reflected(first.grpc, { file_containing_symbol: 'aerie.v1.Realtime' });
    expect(described['file_descriptor_response']).toBeTruthy();
    for (const question of [
      { file_containing_symbol: 'google.rpc.ErrorInfo' },
      { file_by_filename: 'grpc/health/v1/health.proto' },
      { file_by_filename: 'google/protobuf/duration.proto' },
    ])
      expect((await reflected(first.grpc, question))['file_descriptor_response']).toBeTruthy();
    const unknown = await reflected(first.grpc, { file_containing_symbol: 'nobody.Knows' });
    expect(unknown['error_response']).toMatchObject({ error_code: STATUS.NOT_FOUND });
  });

  it('survives the death of its node', async () => {
    const dying = await start({ REDIS_URL: redis.url });
    const kim = connect(dying, 'kim');
    const { epoch } = (await kim.ask('$subscribe', { channel: 'room:k' })) as { epoch: string };
    await publish('room:k', 1);
    await vi.waitFor(() => expect(kim.dataOf('count')).toEqual([1]), WAIT);
    await dying.stop();
    expect(await kim.ended()).toMatchObject({ code: STATUS.UNAVAILABLE });
    await publish('room:k', 2);
    const back = connect(first, 'kim');
    const position = { epoch, offset: 1 };
    expect(await back.ask('$subscribe', { channel: 'room:k', position })).toMatchObject({
      recovered: true,
      publications: [{ data: 2 }],
    });
    kim.cut();
    back.cut();
  });

  it('drains: not serving, told when to come back, closed with UNAVAILABLE, and nobody new', async () => {
    const leaving = await start({ REDIS_URL: redis.url, DRAIN_WINDOW_MS: '3000' });
    const health = stub(leaving.grpc, 'grpc.health.v1.Health');
    expect(await check(leaving, '')).toBe('SERVING');
    expect(await check(leaving, 'aerie.v1.Realtime')).toBe('SERVING');
    await expect(check(leaving, 'nobody.Knows')).rejects.toMatchObject({ code: STATUS.NOT_FOUND });
    const watched: unknown[] = [];
    const watch = health.Watch({ service: '' });
    watch.on('data', ({ status }: { status: string }) => watched.push(status));
    watch.on('error', () => undefined);
    const leo = connect(leaving, 'leo');
    await leo.event('$welcome');
    await vi.waitFor(() => expect(watched).toEqual(['SERVING']), WAIT);
    await fetch(`http://127.0.0.1:${leaving.internalPort}/internal/drain`, { method: 'POST' });
    expect(await leo.event('$reconnect')).toBeDefined();
    await vi.waitFor(() => expect(watched).toEqual(['SERVING', 'NOT_SERVING']), WAIT);
    const status = await leo.ended();
    expect(status.code).toBe(STATUS.UNAVAILABLE);
    expect(Number(status.metadata.get('grpc-retry-pushback-ms')[0])).toBeGreaterThanOrEqual(1_000);
    expect(leo.dataOf('$close')).toMatchObject([{ code: 1001 }]);
    expect(await check(leaving, '')).toBe('NOT_SERVING');
    const late = connect(leaving, 'leo');
    expect(await late.ended()).toMatchObject({ code: STATUS.UNAVAILABLE });
    watch.cancel();
    health.close();
    leo.cut();
    late.cut();
    await leaving.stop();
  });
});

function connect(gateway: GrpcGateway, user: string): GrpcConnection {
  return new GrpcConnection(gateway.grpc, bearer(user));
}

function bearer(user: string): Record<string, string> {
  return { authorization: `Bearer ${tokenFor(user)}` };
}

async function statusOf(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
): Promise<{ http?: number; grpc?: number }> {
  const request = session.request(headers);
  request.end().resume();
  const [answer] = (await once(request, 'response')) as [IncomingHttpHeaders & IncomingHttpStatusHeader];
  const { ':status': http, 'grpc-status': grpc } = answer;
  return { ...(http !== undefined && { http }), ...(grpc !== undefined && { grpc: Number(grpc) }) };
}

async function check(gateway: GrpcGateway, service: string): Promise<unknown> {
  const client = stub(gateway.grpc, 'grpc.health.v1.Health');
  try {
    const { status } = await reply((done) => client.Check({ service }, metadata({}), {}, done));
    return status;
  } finally {
    client.close();
  }
}
