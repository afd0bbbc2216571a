import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { launchBrowser } from './support/browser.js';
import { freePort } from './support/free-port.js';
import { type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { type NginxConfiguration, startNginx } from './support/nginx.js';
import { type RedisServer, startRedis } from './support/redis-server.js';
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.js';

const SERVE = fileURLToPath(new URL('../examples/browser/serve.mjs', import.meta.url));
const PAGE_CLIENTS = fileURLToPath(new URL('support/page-clients.js', import.meta.url));
const IMPORTS = {
  '@aerie/client': '/sdk/client/index.js',
  '@aerie/client/fallbacks': '/sdk/client/fallbacks/index.js',
  '@aerie/protocol': '/sdk/protocol/index.js',
};
const WAIT = { timeout: 20_000, interval: 20 };

let redis: RedisServer;
/** Where clients are, by the proxy: what dies is replaced at the same address. */
let gateway: RunningGateway;
/** Stays, and publishes. */
let other: RunningGateway;
let proxy: TcpProxy;
let server: ChildProcess;
let origin: string;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  redis = await startRedis();
  const port = await freePort();
  origin = `http://localhost:${port}`;
  [gateway, other, browser] = await Promise.all([start(), start(), launchBrowser()]);
  proxy = await startTcpProxy(gateway.port);
  server = spawn(process.execPath, [SERVE, String(port)], {
    env: { ...process.env, AERIE_URL: address('http') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await firstWord(server);
});
afterEach(() => context?.close());
afterAll(async () => {
  await browser?.close();
  server?.kill('SIGKILL');
  await proxy?.close();
  await Promise.all([gateway?.stop(), other?.stop()]);
  await redis?.stop();
});

it('a browser’s own WebSocket and EventSource go on where they were after the server was killed', async () => {
  const channel = 'public:own';
  const page = await pageWithClients('ann');
  const place = { url: address('ws'), channel };
  const source = { url: address('http'), channel };
  await run(page, 'ownWebSocket', 'socket by ticket', { ...place, ticketOf: 'ann' });
  await run(page, 'ownWebSocket', 'socket by cookie', place);
  await run(page, 'ownEventSource', 'source by ticket', { ...source, ticketOf: 'ann' });
  await run(page, 'ownEventSource', 'source by cookie', source);
  await throughADeath(page, channel, 4);
  expect(await told(page, 'socket by ticket')).toMatchObject({ codes: expect.arrayContaining([1006]) });
});

it('the SDK goes on where it was after the server was killed, by ticket, token and cookie', async () => {
  const channel = 'public:sdk';
  const page = await pageWithClients('bob');
  const place = `url: ${JSON.stringify(address('ws'))}, channel: ${JSON.stringify(channel)}`;
  await page.evaluate(`sdk('ticket', { ${place}, options: { ticket: () => ticketFor('bob') } })`);
  await page.evaluate(`sdk('token', { ${place}, options: { token: () => tokenFor('bob') } })`);
  await page.evaluate(`sdk('cookie', { ${place}, options: {} })`);
  await throughADeath(page, channel, 3);
});

it('the SDK comes back when the network of its page does', async () => {
  const channel = 'public:offline';
  const page = await pageWithClients('cyd');
  await run(page, 'sdk', 'client', { url: address('ws'), channel, options: {} });
  await everybody(page, { recovered: ['first'] });
  await publish(channel, 1);
  await everybody(page, { seen: [1] });
  await context.setOffline(true);
  proxy.setMode('cut');
  await vi.waitFor(async () => expect(await statesOf(page)).toContain('offline'), WAIT);
  await publish(channel, 2, 3);
  proxy.setMode('pass');
  await context.setOffline(false);
  await everybody(page, { seen: [1, 2, 3], recovered: ['first', true] });
});

it.each<NginxConfiguration>(['closed', 'bare'])(
  'the SDK goes on by its fallbacks where an nginx lets no WebSocket through (%s)',
  async (configuration) => {
    const nginx = await startNginx(configuration, [proxy.port]);
    onTestFinished(() => nginx.stop());
    const channel = `public:fallbacks-${configuration}`;
    const page = await pageWithClients('eve');
    await page.evaluate(
      `fallbackClients(${JSON.stringify({ url: `http://localhost:${nginx.port}`, channel })})`,
    );
    await everybody(page, { recovered: ['first'] }, 2);
    await publish(channel, 1, 2);
    await everybody(page, { seen: [1, 2] }, 2);
    proxy.setMode('cut');
    await publish(channel, 3);
    proxy.setMode('pass');
    await publish(channel, 4);
    await everybody(page, { seen: [1, 2, 3, 4] }, 2);
    for (const kind of ['sse', 'long-polling'])
      expect(new Set((await told(page, kind))?.transports)).toEqual(new Set([kind]));
  },
);

it('examples/browser shows what was said while it was cut off, and says something', async () => {
  context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${origin}/?channel=public:page`);
  await page.getByText('open', { exact: true }).waitFor();
  await page.fill('input[name=text]', 'one');
  await page.click('button');
  await page.getByText('one', { exact: true }).waitFor();
  proxy.setMode('cut');
  await page.getByText('waiting', { exact: true }).waitFor();
  for (const text of ['two', 'three'])
    await other.api('publish', { channel: 'public:page', event: 'say', data: { text } });
  proxy.setMode('pass');
  await page.getByText('three', { exact: true }).waitFor();
  expect(await page.locator('#said li').allTextContents()).toEqual(['one', 'two', 'three']);
});

/** What is published before, during and after it reaches each client once. */
async function throughADeath(page: Page, channel: string, clients: number): Promise<void> {
  await everybody(page, { recovered: ['first'] }, clients);
  await publish(channel, 1, 2);
  await everybody(page, { seen: [1, 2] }, clients);
  await idsToldTo(page);
  await gateway.stop();
  await publish(channel, 3, 4);
  gateway = await start();
  proxy.setTarget(gateway.port);
  await everybody(page, { seen: [1, 2, 3, 4], recovered: ['first', true] }, clients);
  await publish(channel, 5);
  await everybody(page, { seen: [1, 2, 3, 4, 5] }, clients);
}

interface Told {
  readonly seen: readonly number[];
  readonly recovered: readonly (boolean | 'first')[];
  readonly states?: readonly string[];
  /** Of each connection. */
  readonly transports?: readonly string[];
  readonly lastEventId?: string;
}

async function toldAll(page: Page): Promise<Readonly<Record<string, Told>>> {
  return (await page.evaluate('window.told')) as Record<string, Told>;
}

async function told(page: Page, name: string): Promise<Told | undefined> {
  return (await toldAll(page))[name];
}

async function statesOf(page: Page): Promise<readonly string[]> {
  return (await told(page, 'client'))?.states ?? [];
}

/** Waits until each client was told exactly this. */
async function everybody(page: Page, expected: Partial<Told>, clients = 1): Promise<void> {
  await vi.waitFor(async () => {
    const all = await toldAll(page);
    expect(Object.keys(all)).toHaveLength(clients);
    for (const [name, one] of Object.entries(all)) expect(one, name).toMatchObject(expected);
  }, WAIT);
}

/** An id comes behind what it counts: a later event tells that an EventSource has it. */
async function idsToldTo(page: Page): Promise<void> {
  await other.api('broadcast', { event: 'later', data: null });
  await vi.waitFor(async () => {
    const ids = Object.values(await toldAll(page)).flatMap(({ lastEventId }) => lastEventId ?? []);
    for (const id of ids) expect(id).toMatch(/\/2$/);
  }, WAIT);
}

function run(page: Page, client: string, name: string, options: unknown): Promise<unknown> {
  return page.evaluate(`${client}(${JSON.stringify(name)}, ${JSON.stringify(options)})`);
}

/** A page of another origin than the gateway's, whose browser has a cookie of this user. */
async function pageWithClients(user: string): Promise<Page> {
  context = await browser.newContext();
  await context.addCookies([{ name: 'session', value: tokenFor(user), url: address('http') }]);
  const page = await context.newPage();
  await page.exposeFunction('ticketFor', async (name: string) => other.ticket(tokenFor(name)));
  await page.exposeFunction('tokenFor', (name: string) => tokenFor(name));
  const script = await readFile(PAGE_CLIENTS, 'utf8');
  await page.goto(`${origin}/config`);
  await page.setContent(
    `<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script><script type="module">${script}</script>`,
  );
  await page.waitForFunction('window.ready');
  return page;
}

function address(scheme: 'http' | 'ws'): string {
  return `${scheme}://localhost:${proxy.port}`;
}

function start(): Promise<RunningGateway> {
  return startGateway({
    NODE_ENV: 'development',
    DEV: '1',
    REDIS_URL: redis.url,
    ALLOWED_ORIGINS: origin,
  });
}

async function publish(channel: string, ...data: number[]): Promise<void> {
  for (const datum of data) await other.api('publish', { channel, event: 'count', data: datum });
}

/** Until it has said something; a page's server that couldn't start says why on stderr. */
async function firstWord(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnargs.join(' ')} ended with ${code}`);
  });
  await Promise.race([once(child.stdout ?? child, 'data'), ended]);
}
