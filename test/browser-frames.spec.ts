import type { Browser } from 'playwright-core';
import { decode } from '@msgpack/msgpack';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { launchBrowser } from './support/browser.js';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';

const LONG = 'all work and no play makes jack a dull boy. '.repeat(100);
const PICTURE = Buffer.from([0, 1, 0xfe, 0xff]);

/** Opens a socket in a page, which keeps its frames; resolves with what was negotiated, once it is welcomed. */
function openScript(url: string, protocols: readonly string[]): string {
  return `new Promise((resolve, reject) => {
  const socket = new WebSocket(${JSON.stringify(url)}, ${JSON.stringify(protocols)});
  const { promise: long, resolve: done } = Promise.withResolvers();
  Object.assign(window, { socket, long });
  socket.binaryType = 'arraybuffer';
  socket.onerror = () => reject(new Error('no socket'));
  socket.onmessage = ({ data }) => {
    resolve({ protocol: socket.protocol, extensions: socket.extensions });
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data);
    if (bytes.length > 1000) done(Array.from(bytes));
  };
})`;
}

let gateway: RunningGateway;
let browser: Browser;

beforeAll(async () => {
  gateway = await startGateway({ COMPRESSION: 'true', NODE_ENV: 'development', DEV: '1' });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
});

async function heard(offered: string): Promise<readonly number[]> {
  const page = await browser.newPage();
  await page.goto(gateway.url);
  const protocols = [offered, `aerie.bearer.${tokenFor('ann')}`];
  const negotiated: unknown = await page.evaluate(openScript(gateway.ws(), protocols));
  expect(negotiated).toEqual({
    protocol: offered,
    extensions: expect.stringContaining('permessage-deflate') as string,
  });
  const data = { text: LONG, picture: { $bytes: PICTURE.toString('base64') } };
  await gateway.api('publish', { channel: 'user:ann', event: 'draw', data });
  const bytes = (await page.evaluate('window.long')) as readonly number[];
  await page.close();
  return bytes;
}

it('a browser reads compressed frames of JSON', async () => {
  const bytes = await heard('aerie.v1.json');
  expect(JSON.parse(Buffer.from(bytes).toString('utf8'))).toMatchObject({
    event: 'draw',
    data: { text: LONG, picture: { $bytes: PICTURE.toString('base64') } },
  });
});

it('a browser reads compressed frames of MessagePack', async () => {
  expect(decode(new Uint8Array(await heard('aerie.v1.msgpack')))).toMatchObject({
    event: 'draw',
    data: { text: LONG, picture: new Uint8Array(PICTURE) },
  });
});

it('a browser compresses what it sends', async () => {
  const page = await browser.newPage();
  await page.goto(gateway.url);
  await page.evaluate(openScript(gateway.ws(), ['aerie.v1.json', `aerie.bearer.${tokenFor('bob')}`]));
  const message = JSON.stringify({
    event: '$publish',
    id: 1,
    data: { channel: 'public:board', event: 'say', data: LONG },
  });
  await page.evaluate(`window.socket.send(${JSON.stringify(message)})`);
  await vi.waitFor(async () =>
    expect(await gateway.api('history?channel=public:board')).toMatchObject({
      publications: [{ event: 'say', data: LONG, from: 'bob' }],
    }),
  );
  await page.close();
});
