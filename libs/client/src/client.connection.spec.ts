import { CLOSE, closeAdvice, type CloseName } from '@aerie/protocol';
import { WebSocket as WsWebSocket } from 'ws';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer, type Frame } from '../test/scripted-server.js';
import { RealtimeClient } from './client.js';
import { RealtimeError } from './errors.js';
import type { RealtimeOptions } from './options.js';
import type { RealtimeState } from './state.js';

let server: ScriptedServer;
let clients: RealtimeClient[];

beforeEach(async () => {
  server = await ScriptedServer.start();
  clients = [];
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

afterEach(async () => {
  for (const one of clients) one.close();
  vi.restoreAllMocks();
  await server.stop();
});

function client(options: RealtimeOptions = {}): RealtimeClient {
  const created = new RealtimeClient(server.url, options);
  created.onError(() => undefined);
  clients.push(created);
  return created;
}

function connect(options: RealtimeOptions = {}): RealtimeClient {
  const created = client(options);
  created.connect();
  return created;
}

/** The state of that status: the present one, or the next to come. */
function when<Status extends RealtimeState['status']>(
  realtime: RealtimeClient,
  status: Status,
): Promise<RealtimeState & { status: Status }> {
  return new Promise((resolve) => {
    const check = (state: RealtimeState): void => {
      if (state.status === status) resolve(state as RealtimeState & { status: Status });
    };
    realtime.onState(check);
    check(realtime.state);
  });
}

function statuses(of: RealtimeClient): RealtimeState['status'][] {
  const seen: RealtimeState['status'][] = [];
  of.onState(({ status }) => seen.push(status));
  return seen;
}

describe('opening', () => {
  it('keeps what the application sends before the welcome, as a handleConnection does', async () => {
    server.greet = (peer) => {
      peer.send({ event: 'greeting', data: 1 });
      peer.welcome();
      peer.send({ event: 'greeting', data: 2 });
    };
    const realtime = client();
    const heard: unknown[] = [];
    realtime.on('greeting', (data) => heard.push([realtime.state.status, data]));
    await vi.waitFor(() =>
      expect(heard).toEqual([
        ['open', 1],
        ['open', 2],
      ]),
    );
  });

  it('connects at first use, not before', async () => {
    const realtime = client();
    const seen = statuses(realtime);
    expect(realtime.state).toEqual({ status: 'idle' });
    realtime.on('hello', () => undefined);
    await when(realtime, 'open');
    expect(seen).toEqual(['connecting', 'open']);
    expect(server.upgrades).toHaveLength(1);
  });

  it('is open when the server says $welcome, and tells what it said', async () => {
    server.greet = () => undefined;
    const realtime = connect();
    const peer = await server.connection();
    expect(realtime.state.status).toBe('connecting');
    peer.welcome({ user: 'bob', unheard: 'of' });
    expect((await when(realtime, 'open')).welcome).toMatchObject({
      user: 'bob',
      node: 'n1',
      maxFrameBytes: 65_536,
    });
  });

  it('works with the class of the ws package', async () => {
    const realtime = connect({ webSocket: WsWebSocket, tokenVia: 'subprotocol', token: () => 'jwt' });
    await when(realtime, 'open');
    expect(server.upgrades[0]?.headers['sec-websocket-protocol']).toBe('aerie.v1.json,aerie.bearer.jwt');
  });

  it('sends a token as the first message, and nothing else before the welcome', async () => {
    server.greet = () => undefined;
    const realtime = connect({ token: () => Promise.resolve('jwt') });
    realtime.send('early');
    const peer = await server.connection();
    expect(await peer.receive()).toMatchObject({ event: '$auth', data: { token: 'jwt' } });
    peer.welcome();
    peer.send({ id: 0, data: { expiresAt: null } });
    await peer.receive('early');
    expect(peer.events).toEqual(['$auth', 'early']);
    expect(server.upgrades[0]?.url).toBe('/ws');
  });

  it('fetches a fresh ticket for each attempt', async () => {
    let count = 0;
    const realtime = connect({ ticket: () => `t${(count += 1)}` });
    (await server.connection()).close(1001);
    await server.connection();
    await when(realtime, 'open');
    expect(server.upgrades.map(({ url }) => url)).toEqual(['/ws?ticket=t1', '/ws?ticket=t2']);
  });

  it('gives an attempt up that is not welcomed in time, and says so', async () => {
    server.greet = () => undefined;
    const realtime = connect({ connectTimeoutMs: 100 });
    expect((await when(realtime, 'waiting')).cause).toEqual({ code: 1006, reason: 'no welcome' });
    server.greet = (peer) => peer.welcome();
    await when(realtime, 'open');
  });

  it('tries again when the credential could not be fetched, and reports why', async () => {
    const failure = new Error('login is down');
    const ticket = vi.fn<() => Promise<string>>().mockRejectedValueOnce(failure).mockResolvedValue('t');
    const realtime = client({ ticket });
    const errors: unknown[] = [];
    realtime.onError((error) => errors.push(error));
    realtime.connect();
    expect((await when(realtime, 'waiting')).cause).toEqual({ code: 1006, reason: 'no credential' });
    await when(realtime, 'open');
    expect(errors).toEqual([failure]);
  });

  it('stops when the application says that there will be no credential', async () => {
    const realtime = connect({
      token: () => Promise.reject(new RealtimeError({ code: 'forbidden', message: 'signed out' })),
    });
    expect((await when(realtime, 'stopped')).cause).toMatchObject({ reason: 'forbidden' });
    expect(server.upgrades).toHaveLength(0);
  });

  it('refuses an address that is none', () => {
    expect(() => new RealtimeClient('nowhere')).toThrow(TypeError);
  });
});

describe('closing', () => {
  const names = Object.keys(CLOSE) as CloseName[];

  it.each(names.filter((name) => closeAdvice(CLOSE[name].code) === 'stop'))(
    'stops after "%s"',
    async (name) => {
      const realtime = connect();
      const { code, reason } = CLOSE[name];
      (await server.connection()).close(code, reason);
      expect((await when(realtime, 'stopped')).cause).toEqual({ code, reason });
      realtime.on('more', () => undefined);
      expect(realtime.state.status).toBe('stopped');
      expect(() => realtime.send('more')).toThrow(RealtimeError);
    },
  );

  it.each(names.filter((name) => closeAdvice(CLOSE[name].code) !== 'stop'))(
    'comes back after "%s"',
    async (name) => {
      let count = 0;
      const realtime = connect({ tokenVia: 'query', token: () => `t${(count += 1)}` });
      const { code, reason } = CLOSE[name];
      (await server.connection()).close(code, reason);
      expect((await when(realtime, 'waiting')).cause).toEqual({ code, reason });
      await when(realtime, 'open');
      expect(server.upgrades.map(({ url }) => url)).toEqual(['/ws?token=t1', '/ws?token=t2']);
      expect(server.dryRuns).toHaveLength(0);
    },
  );

  it('comes back after a connection cut without a word, and after a code nobody knows', async () => {
    const realtime = connect();
    (await server.connection()).cut();
    expect((await when(realtime, 'waiting')).cause).toMatchObject({ code: 1006 });
    (await server.connection()).close(4999, 'from the future');
    await server.connection();
    await when(realtime, 'open');
  });

  it('starts again by connect() after a stop', async () => {
    const realtime = connect();
    (await server.connection()).close(4403);
    await when(realtime, 'stopped');
    realtime.connect();
    await when(realtime, 'open');
  });

  it('says goodbye with 1000 and stays closed', async () => {
    const realtime = connect();
    const peer = await server.connection();
    await when(realtime, 'open');
    realtime.close();
    expect(await peer.closed).toBe(1000);
    expect(realtime.state).toEqual({ status: 'stopped', cause: { code: 1000, reason: 'normal' } });
    expect(server.upgrades).toHaveLength(1);
  });

  it('can be closed in every state', async () => {
    client().close();
    server.greet = () => undefined;
    const authenticating = connect({ token: () => 'jwt' });
    const peer = await server.connection();
    await peer.receive('$auth');
    authenticating.close();
    await peer.closed;
    server.refusal = { status: 503, headers: { 'retry-after': '60' } };
    const waiting = connect();
    await when(waiting, 'waiting');
    waiting.close();
    expect(clients.map(({ state }) => state.status)).toEqual(['stopped', 'stopped', 'stopped']);
  });

  it('can be closed by who hears that there is no credential', async () => {
    const realtime = connect({ token: () => Promise.reject(new Error('logged out')) });
    const seen = statuses(realtime);
    const closed = new Promise<void>((resolve) => {
      realtime.onError(() => {
        realtime.close();
        resolve();
      });
    });
    await closed;
    await new Promise((resolve) => setTimeout(resolve));
    expect(seen.at(-1)).toBe('stopped');
    expect(realtime.state).toMatchObject({ status: 'stopped', cause: { code: 1000 } });
  });

  it('can be closed by who is asked for a credential', async () => {
    const realtime = client({
      token: () => {
        realtime.close();
        return 'jwt';
      },
    });
    realtime.connect();
    await when(realtime, 'stopped');
    // Whatever it began would be there before this.
    const other = connect();
    await when(other, 'open');
    expect(realtime.state.status).toBe('stopped');
    expect(server.upgrades).toHaveLength(1);
  });
});

describe('$reconnect', () => {
  it('waits what is left of it after the close, from receipt, and not for the close alone', async () => {
    const realtime = connect();
    const peer = await server.connection();
    await when(realtime, 'open');
    const told = performance.now();
    peer.send({ event: '$reconnect', data: { afterMs: 1_000, reason: 'draining' } });
    setTimeout(() => peer.close(1001), 150);
    const { retryInMs } = await when(realtime, 'waiting');
    expect(retryInMs).toBeGreaterThan(0);
    expect(retryInMs).toBeLessThanOrEqual(860);
    await when(realtime, 'open');
    expect(performance.now() - told).toBeGreaterThanOrEqual(995);
  });
});

describe('asking why an open failed', () => {
  it('backs off when it would have been admitted', async () => {
    server.refusal = { status: 500 };
    server.dryRunAnswer = { status: 426 };
    const realtime = connect();
    expect((await when(realtime, 'waiting')).cause).toEqual({ code: 1006, reason: 'connection lost' });
    server.refusal = undefined;
    await when(realtime, 'open');
  });

  it.each([
    [403, 'forbidden'],
    [404, 'not_found'],
  ] as const)('stops at %i with what the server said', async (status, code) => {
    server.refusal = { status, code };
    const realtime = connect();
    expect((await when(realtime, 'stopped')).cause).toEqual({
      code: 1006,
      reason: code,
      error: { code, message: `no: ${code}` },
    });
  });

  it('renews the credential after 401 and stops after the third in a row', async () => {
    server.refusal = { status: 401, code: 'unauthenticated' };
    const token = vi.fn(() => 'jwt');
    const realtime = connect({ token, tokenVia: 'subprotocol' });
    expect((await when(realtime, 'stopped')).cause).toMatchObject({ code: 1006, reason: 'unauthenticated' });
    expect(token).toHaveBeenCalledTimes(3);
    expect(server.dryRuns.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill('Bearer jwt'));
  });

  it('stops where the server takes no first message: it asks as it came, without the token', async () => {
    server.refusal = { status: 401, code: 'unauthenticated' };
    const realtime = connect({ token: () => 'jwt' });
    expect((await when(realtime, 'stopped')).cause).toMatchObject({ code: 1006, reason: 'unauthenticated' });
    expect(server.dryRuns.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill(undefined));
  });

  it('counts 4001 to a first message like a 401', async () => {
    server.greet = (peer) => void peer.receive('$auth').then(() => peer.close(4001, 'token invalid'));
    const realtime = connect({ token: () => 'bad' });
    expect((await when(realtime, 'stopped')).cause).toMatchObject({ code: 4001, reason: 'unauthenticated' });
    expect(server.upgrades).toHaveLength(3);
  });

  it('tells what the error frame before the close said', async () => {
    const error = { code: 'forbidden', message: 'wrong tenant' };
    server.greet = (peer) => {
      void peer.reply('$auth', { error }).then(() => peer.close(1008, 'policy violation'));
    };
    const realtime = connect({ token: () => 'jwt' });
    expect((await when(realtime, 'stopped')).cause).toEqual({
      code: 1008,
      reason: 'policy violation',
      error,
    });
  });

  it.each([429, 503])('waits at least the Retry-After of %i', async (status) => {
    server.refusal = { status, headers: { 'retry-after': '7' } };
    const realtime = connect();
    expect((await when(realtime, 'waiting')).retryInMs).toBe(7_000);
  });

  it('waits until the date of a Retry-After, and never less than none', async () => {
    server.refusal = { status: 503, headers: { 'retry-after': new Date(Date.now() + 60_000).toUTCString() } };
    const { retryInMs } = await when(connect(), 'waiting');
    expect(retryInMs).toBeGreaterThan(30_000);
    expect(retryInMs).toBeLessThanOrEqual(60_000);
    for (const past of ['-7', 'Sat, 01 Jan 2000 00:00:00 GMT', 'soon']) {
      server.refusal = { status: 503, headers: { 'retry-after': past } };
      expect((await when(connect(), 'waiting')).retryInMs).toBe(0);
    }
  });

  it('takes nothing for the reason where the server would have let it in', async () => {
    server.refusal = { status: 400 };
    server.dryRunAnswer = { status: 426, code: 'invalid' };
    expect((await when(connect(), 'waiting')).cause).toEqual({ code: 1006, reason: 'connection lost' });
  });

  it('asks with a fresh ticket, as the attempt may have used up the one it had', async () => {
    server.refusal = { status: 403 };
    let count = 0;
    const realtime = connect({ ticket: () => `t${(count += 1)}` });
    await when(realtime, 'stopped');
    expect(server.upgrades.map(({ url }) => url)).toEqual(['/ws?ticket=t1']);
    expect(server.dryRuns.map(({ url }) => url)).toEqual(['/ws?ticket=t2']);
  });

  it('has nothing to ask without a credential, however long that takes', async () => {
    const never = new Promise<string>(() => undefined);
    for (const options of [{ ticket: () => never }, { token: () => never }]) {
      const realtime = connect({ ...options, connectTimeoutMs: 20 });
      expect((await when(realtime, 'waiting')).cause.reason).toBe('no welcome');
    }
    expect(server.dryRuns).toHaveLength(0);
  });

  it('comes back without an answer where the ticket to ask with does not come in time', async () => {
    server.refusal = { status: 403 };
    const never = new Promise<string>(() => undefined);
    const ticket = vi.fn<() => string | Promise<string>>().mockReturnValueOnce('t1').mockReturnValue(never);
    const realtime = connect({ ticket, connectTimeoutMs: 2_000 });
    expect((await when(realtime, 'waiting')).cause).toEqual({ code: 1006, reason: 'connection lost' });
    expect(server.dryRuns).toHaveLength(0);
  });

  it('backs off when nobody answers', async () => {
    server.refusal = { status: 500 };
    const fetch = vi.fn(() => Promise.reject(new TypeError('network')));
    const realtime = connect({ fetch });
    expect((await when(realtime, 'waiting')).cause).toEqual({ code: 1006, reason: 'connection lost' });
    expect(fetch).toHaveBeenCalledTimes(1);
  });
});

describe('an open connection', () => {
  it('notices a server that went silent: pings after the interval, reconnects after the timeout', async () => {
    server.greet = (peer) => peer.welcome({ heartbeat: { intervalMs: 100, timeoutMs: 100 } });
    const realtime = connect();
    const peer = await server.connection();
    await peer.receive('$ping');
    expect((await when(realtime, 'waiting')).cause).toEqual({ code: 1006, reason: 'no answer' });
    await server.connection();
    await when(realtime, 'open');
  });

  it('stays with a server that answers', async () => {
    server.greet = (peer) => peer.welcome({ heartbeat: { intervalMs: 150, timeoutMs: 600 } });
    const realtime = connect();
    const peer = await server.connection();
    for (let count = 0; count < 6; count += 1) {
      await peer.receive('$ping');
      peer.send({ event: '$pong', data: { serverTime: Date.now() } });
    }
    expect(realtime.state.status).toBe('open');
    expect(server.upgrades).toHaveLength(1);
  });

  it('renews its session by $auth at 80 % of its life, by the clock of the server', async () => {
    const ahead = 3_600_000;
    const synchronized = performance.now();
    server.greet = (peer) =>
      peer.welcome({ expiresAt: Date.now() + ahead + 2_000, serverTime: Date.now() + ahead });
    let count = 0;
    connect({ tokenVia: 'query', token: () => `t${(count += 1)}` });
    const peer = await server.connection();
    const renewal: Frame = await peer.reply('$auth', { data: { expiresAt: Date.now() + ahead + 2_000 } });
    expect(renewal.data).toEqual({ token: 't2' });
    expect(performance.now() - synchronized).toBeGreaterThan(1_500);
    expect((await peer.receive('$auth')).data).toEqual({ token: 't3' });
  });

  it.each([
    ['a $welcome without fields', { event: '$welcome' }],
    ['a $welcome without channels', { event: '$welcome', data: { heartbeat: {}, maxFrameBytes: 1 } }],
  ])('takes %s for a lost connection, and tells', async (_what, frame) => {
    server.greet = (peer) => peer.send(frame);
    const realtime = client();
    const errors: unknown[] = [];
    realtime.onError((error) => errors.push(error));
    realtime.channel('room:7').on('say', () => undefined);
    const { cause } = await when(realtime, 'waiting');
    expect(cause).toEqual({ code: 1006, reason: 'not understood' });
    expect(errors).toEqual([expect.any(TypeError)]);
    server.greet = (peer) => peer.welcome();
    await when(realtime, 'open');
  });

  it('takes a reply that makes no sense for a lost connection, and asks again', async () => {
    const realtime = client();
    const room = realtime.channel('room:7');
    const subscribed = room.subscribe();
    const peer = await server.connection();
    await peer.reply('$subscribe', { data: { publications: 7 } });
    await (await server.connection()).reply('$subscribe', { data: {} });
    expect(await subscribed).toEqual({ channel: 'room:7' });
  });

  it('survives frames that are none and events it does not know', async () => {
    const realtime = connect();
    const peer = await server.connection();
    const heard = new Promise((resolve) => realtime.on('last', resolve));
    for (const frame of ['', '{', '[]', '{"event":7}', '{"id":99,"data":1}', '{"event":"$future","data":{}}'])
      peer.send(frame);
    peer.send({ event: '$reconnect' });
    peer.send({ event: '$resync', data: null });
    peer.socket.send(new Uint8Array([1, 2, 3]));
    peer.send({ event: 'last', data: 'still here', extra: true });
    expect(await heard).toBe('still here');
  });
});
