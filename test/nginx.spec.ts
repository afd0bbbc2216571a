import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openClient } from '@aerie/realtime/testing';
import { EventStream } from './support/event-stream.js';
import { type RunningGateway, tokenFor } from './support/gateway.js';
import { GatewayPair } from './support/gateway-pair.js';
import { type Nginx, type NginxConfiguration, startNginx } from './support/nginx.js';

const WAIT = { timeout: 15_000 };
/** Of this machine, and not the proxy's. */
const ELSEWHERE = '127.0.0.2';

let pair: GatewayPair;
let first: RunningGateway;
let second: RunningGateway;

beforeAll(async () => {
  pair = await GatewayPair.start();
  ({ first, second } = pair);
});
afterAll(() => pair?.stop());

describe.each<NginxConfiguration>(['deployed', 'bare'])('two gateways behind nginx (%s)', (configuration) => {
  let nginx: Nginx;

  beforeAll(async () => {
    nginx = await startNginx(configuration, [first.port, second.port]);
  });
  afterAll(() => nginx?.stop());

  it('brings each event of a stream before the next one is published', async () => {
    const channel = `room:prompt-${configuration}`;
    const stream = await EventStream.open(`${nginx.url}/sse?channels=${channel}`, bearer('ann'));
    await stream.frame('$subscribed');
    for (const count of [1, 2, 3]) {
      await pair.publish(channel, count);
      // A buffer would wait for more.
      await vi.waitFor(() => expect(stream.dataOf('count')).toHaveLength(count), WAIT);
    }
    stream.cut();
  });

  it('brings what a client sends by way of one gateway to the other, which has its stream', async () => {
    const stream = await EventStream.open(`${nginx.url}/sse`, bearer('bob'));
    const { connection } = (await stream.frame('$welcome')).data as { connection: string };
    const own = { ...bearer('bob'), 'aerie-connection': connection };
    const sequence = [1, 2, 3, 4];
    for (const seq of sequence)
      expect((await send(nginx, own, { seq, messages: [{ event: '$ping', id: seq }] })).status).toBe(202);
    await vi.waitFor(() => expect(repliesOn(stream)).toEqual(sequence), WAIT);
    stream.cut();
  });

  it('goes on elsewhere when the gateway that had the stream is killed', async () => {
    const channel = `room:kill-${configuration}`;
    const dying = await pair.startAnother();
    const between = await startNginx(configuration, [dying.port, second.port]);
    onTestFinished(() => between.stop());
    onTestFinished(() => dying.stop());
    const { stream, url } = await vi.waitFor(
      () => openOn(dying, `${between.url}/sse?channels=${channel}`),
      WAIT,
    );
    await pair.publish(channel, 1, 2);
    await vi.waitFor(() => expect(stream.lastEventId).toMatch(/\/2$/), WAIT);
    await dying.stop();
    await vi.waitFor(() => expect(stream.ended).toBe(true), WAIT);
    await pair.publish(channel, 3, 4);
    const back = await EventStream.open(url, { 'last-event-id': stream.lastEventId });
    await vi.waitFor(() => expect(back.dataOf('count')).toEqual([3, 4]), WAIT);
    expect(stream.dataOf('count')).toEqual([1, 2]);
    back.cut();
  });
});

describe('deploy/nginx', () => {
  let nginx: Nginx;

  beforeAll(async () => {
    nginx = await startNginx('deployed', [first.port, second.port]);
  });
  afterAll(() => nginx?.stop());

  it('lets WebSockets through', async () => {
    const client = await openClient(`ws://127.0.0.1:${nginx.port}/ws`, { token: tokenFor('dan') });
    await client.frame('$welcome');
    await client.request('$subscribe', { channel: 'room:ws' });
    await pair.publish('room:ws', 1);
    expect((await client.frame('count')).data).toBe(1);
    await client.close();
  });

  it('tells the gateway where a client is, whatever the client says itself', async () => {
    const stream = await EventStream.open(
      `${nginx.url}/sse`,
      { ...bearer('eve'), 'x-forwarded-for': '203.0.113.9' },
      ELSEWHERE,
    );
    await stream.frame('$welcome');
    await vi.waitFor(async () => expect(await addressesOf('eve')).toEqual([ELSEWHERE]), WAIT);
    stream.cut();
  });

  it('asks another gateway where one drains', async () => {
    const leaving = await pair.startAnother({ DRAIN_WINDOW_MS: '60000' });
    const between = await startNginx('deployed', [leaving.port, second.port]);
    onTestFinished(() => between.stop());
    onTestFinished(() => leaving.stop());
    const held = await EventStream.open(`${leaving.url}/sse`, bearer('fay'));
    await held.frame('$welcome');
    leaving.child.kill('SIGTERM');
    await held.frame('$reconnect');
    // More than one, so that both gateways have their turn.
    const streams = await Promise.all(
      Array.from({ length: 4 }, () => EventStream.open(`${between.url}/sse`, bearer('gus'))),
    );
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    for (const stream of [held, ...streams]) stream.cut();
  });

  it('logs neither tickets nor proofs', async () => {
    const ticket = await first.ticket(tokenFor('hal'));
    const stream = await EventStream.open(`${nginx.url}/sse?ticket=${ticket}`);
    const { resume } = (await stream.frame('$welcome')).data as { resume: string };
    stream.cut();
    const refused = await EventStream.open(`${nginx.url}/sse?ticket=${ticket}&lastEventId=${resume}x`);
    expect(refused.status).toBe(401);
    const lines = (await nginx.log()).split('\n').filter((line) => line.includes('"/sse"'));
    expect(lines.length).toBeGreaterThan(0);
    expect(await nginx.log()).not.toMatch(new RegExp(`${ticket}|${resume}`));
  });
});

describe('nginx’s defaults', () => {
  it('make a WebSocket’s upgrade a plain request, which is told so', async () => {
    const nginx = await startNginx('bare', [first.port]);
    onTestFinished(() => nginx.stop());
    const opened = openClient(`ws://127.0.0.1:${nginx.port}/ws`, { token: tokenFor('ida') });
    await expect(opened).rejects.toMatchObject({ name: 'UpgradeRefused', status: 426 });
  });
});

/** With a ticket in its URL. Rejects where the proxy chose another gateway. */
async function openOn(gateway: RunningGateway, base: string): Promise<{ stream: EventStream; url: string }> {
  const url = `${base}&ticket=${await gateway.ticket(tokenFor('cyd'))}`;
  const stream = await EventStream.open(url);
  await stream.frame('$subscribed');
  if ((await gateway.connections()) === 1) return { stream, url };
  stream.cut();
  throw new Error('another gateway has it');
}

function bearer(user: string): Record<string, string> {
  return { authorization: `Bearer ${tokenFor(user)}` };
}

function send({ url }: Nginx, headers: Record<string, string>, body: unknown): Promise<Response> {
  return fetch(`${url}/send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

function repliesOn({ frames }: EventStream): unknown[] {
  return frames.filter(({ id }) => id !== undefined).map(({ id }) => id);
}

async function addressesOf(user: string): Promise<string[]> {
  const { connections } = (await first.api(`connections?user=${user}`)) as {
    connections: readonly { readonly address: string }[];
  };
  return connections.map(({ address }) => address);
}
