import 'reflect-metadata';
import { credentials, status as STATUS } from '@grpc/grpc-js';
import { GrpcServer, RealtimeGrpcModule } from '@aerie/realtime/grpc';
import { WebSocketGateway } from '@nestjs/websockets';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Certificate, makeCertificate } from './support/certificate.js';
import { freePort } from './support/free-port.js';
import { API_KEY, tokenFor } from './support/gateway.js';
import { GatewayPair, type PairedGateway } from './support/gateway-pair.js';
import { GrpcConnection, type GrpcConnectionOptions, metadata, reply, stub } from './support/grpc-client.js';
import { startNestApp } from './support/nest-app.js';
import { type Nginx, startNginx } from './support/nginx.js';

const WAIT = { timeout: 15_000 };
const READ_TIMEOUT_S = 2;
/** More than nginx lets a body have by default. */
const MUCH = { messages: 40, bytes: 60_000 };

const certificate: Certificate = makeCertificate();
const trusting = credentials.createSsl(Buffer.from(certificate.cert));
let pair: GatewayPair;
let first: PairedGateway;
let second: PairedGateway;

beforeAll(async () => {
  pair = await GatewayPair.start({ HEARTBEAT_INTERVAL_MS: '1000', HEARTBEAT_TIMEOUT_MS: '2000' });
  ({ first, second } = pair);
});
afterAll(() => pair?.stop());

describe('gRPC through nginx', () => {
  let proxied: Proxied;

  beforeAll(async () => {
    proxied = await proxy(first, second);
  });
  afterAll(() => proxied?.nginx.stop());

  it.each(['without TLS', 'with TLS'])('holds connections, and takes calls %s', async (how) => {
    const [address, secured] =
      how === 'with TLS' ? [proxied.tls, trusting] : [proxied.plain, credentials.createInsecure()];
    const ann = connect(address, 'ann', { secured });
    const channel = `room:${how.replaceAll(' ', '-')}`;
    expect(await ann.ask('$subscribe', { channel })).toMatchObject({ channel, offset: 0 });
    const backend = stub(address, 'aerie.v1.Realtime', secured);
    onTestFinished(() => backend.close());
    const key = metadata({ authorization: `Bearer ${API_KEY}` });
    const publication = { channel, event: 'count', data: '1' };
    expect(await reply((done) => backend.Publish(publication, key, done))).toMatchObject({ offset: 1 });
    await vi.waitFor(() => expect(ann.dataOf('count')).toEqual([1]), WAIT);
    ann.call.end();
    expect(await ann.ended()).toMatchObject({ code: STATUS.OK });
  });

  it('is no server for who does not trust it', async () => {
    const stranger = connect(proxied.tls, 'bob', { secured: credentials.createSsl() });
    expect(await stranger.ended()).toMatchObject({ code: STATUS.UNAVAILABLE });
  });

  it('tells a refusal and a close as the gateway does', async () => {
    const refused = connect(proxied.plain, '', { deadlineMs: 10_000 });
    expect(await refused.ended()).toMatchObject({ code: STATUS.UNAUTHENTICATED });
    const cyd = connect(proxied.plain, 'cyd');
    await cyd.event('$welcome');
    await first.api('disconnect', { user: 'cyd' });
    expect(await cyd.ended()).toMatchObject({ code: STATUS.PERMISSION_DENIED, details: 'disconnected' });
    expect(cyd.dataOf('$close')).toEqual([{ code: 4403, reason: 'disconnected' }]);
  });

  it('lets a client send as much as it likes over time', async () => {
    const dan = connect(proxied.plain, 'dan');
    const data = 'x'.repeat(MUCH.bytes);
    for (let sent = 1; sent <= MUCH.messages; sent += 1)
      expect(await dan.ask('$publish', { channel: 'room:much', event: 'x', data })).toMatchObject({
        offset: sent,
      });
  });

  it('keeps a call on which nothing is said for longer than a gateway may be silent', async () => {
    const eve = connect(proxied.plain, 'eve');
    await eve.event('$welcome');
    await new Promise((resolve) => setTimeout(resolve, (READ_TIMEOUT_S + 1) * 1_000));
    expect(await eve.ask('$subscribe', { channel: 'room:idle' })).toMatchObject({ channel: 'room:idle' });
  });

  it('tells the gateway that a client has gone: its deadline, its cancelled call', async () => {
    await vi.waitFor(async () => expect(await pair.connections()).toBe(0), WAIT);
    const fay = connect(proxied.plain, 'fay', { deadlineMs: 1_500 });
    const gus = connect(proxied.plain, 'gus');
    await Promise.all([fay, gus].map((one) => one.event('$welcome')));
    expect(await pair.connections()).toBe(2);
    gus.cut();
    expect(await fay.ended()).toMatchObject({ code: STATUS.DEADLINE_EXCEEDED });
    await vi.waitFor(async () => expect(await pair.connections()).toBe(0), WAIT);
  });
});

it('a gRPC client goes on at another gateway without loss when its own is killed behind nginx', async () => {
  const dying = await pair.startAnother();
  onTestFinished(() => dying.stop());
  const { nginx, plain } = await proxy(dying, second);
  onTestFinished(() => nginx.stop());
  const { node } = (await dying.api('info')) as { node: string };
  const before = await onNode(node, plain);
  const { epoch } = (await before.ask('$subscribe', { channel: 'room:k' })) as { epoch: string };
  await pair.publish('room:k', 1, 2);
  await vi.waitFor(() => expect(before.dataOf('count')).toEqual([1, 2]), WAIT);
  await dying.stop();
  expect((await before.ended()).code).not.toBe(STATUS.OK);
  expect(before.dataOf('$close')).toEqual([]);
  await pair.publish('room:k', 3);
  const after = connect(plain, 'hal');
  const position = { epoch, offset: 2 };
  expect(await after.ask('$subscribe', { channel: 'room:k', position })).toMatchObject({
    recovered: true,
    publications: [{ data: 3 }],
  });
  await pair.publish('room:k', 4);
  await vi.waitFor(() => expect(after.dataOf('count')).toEqual([4]), WAIT);
});

@WebSocketGateway({ path: '/ws' })
class Gateway {}

describe('a gRPC server of an application’s own, with TLS', () => {
  it('holds connections of who trusts it, and of nobody who does not speak TLS', async () => {
    const { key, cert } = certificate;
    const grpc = RealtimeGrpcModule.forRoot({ port: 0, host: '127.0.0.1', tls: { key, cert } });
    await using app = await startNestApp({ imports: [grpc], providers: [Gateway] });
    const address = `localhost:${app.get(GrpcServer).port}`;
    const ida = connect(address, 'ida', { secured: trusting });
    expect(JSON.parse((await ida.event('$welcome'))['data'] as string)).toMatchObject({ user: 'ida' });
    for (const secured of [credentials.createInsecure(), credentials.createSsl()])
      expect(await connect(address, 'ida', { secured }).ended()).toMatchObject({ code: STATUS.UNAVAILABLE });
    expect(await ida.ask('$ping')).toBeDefined();
    ida.cut();
  });
});

interface Proxied {
  readonly nginx: Nginx;
  /** Where calls go. */
  readonly plain: string;
  readonly tls: string;
}

async function proxy(...gateways: readonly PairedGateway[]): Promise<Proxied> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const upstreams = gateways.map(({ grpcPort }) => grpcPort);
  const grpc = { upstreams, port, tlsPort, certificate, readTimeoutS: READ_TIMEOUT_S };
  const nginx = await startNginx(
    'deployed',
    gateways.map((gateway) => gateway.port),
    grpc,
  );
  return { nginx, plain: `localhost:${port}`, tls: `localhost:${tlsPort}` };
}

/** Without a user: with a credential that is none. It ends with the test. */
function connect(address: string, user: string, options: GrpcConnectionOptions = {}): GrpcConnection {
  const token = user === '' ? 'nonsense' : tokenFor(user);
  const connection = new GrpcConnection(address, { authorization: `Bearer ${token}` }, options);
  onTestFinished(() => connection.cut());
  return connection;
}

/** A connection that this node has: the proxy may choose another one. */
async function onNode(node: string, address: string): Promise<GrpcConnection> {
  for (;;) {
    const connection = connect(address, 'hal');
    const { data } = await connection.event('$welcome');
    if ((JSON.parse(data as string) as { node: string }).node === node) return connection;
  }
}
