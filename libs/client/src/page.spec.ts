import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScriptedServer, type Peer } from '../test/scripted-server.js';
import { RealtimeClient } from './client.js';
import type { RealtimeState } from './state.js';

/** An event target that knows how many listen. */
class Target extends EventTarget {
  readonly listening = new Set<string>();

  override addEventListener(type: string, listener: () => void, options: { signal: AbortSignal }): void {
    super.addEventListener(type, listener, options);
    this.listening.add(type);
    options.signal.addEventListener('abort', () => this.listening.delete(type));
  }

  tell(type: string): void {
    this.dispatchEvent(new Event(type));
  }
}

/** The document of a page: what happens to it comes by the window. */
class Page {
  hidden = true;

  tell(type: string): void {
    scope.tell(type);
  }

  show(): void {
    this.hidden = false;
    this.tell('visibilitychange');
  }

  hide(): void {
    this.hidden = true;
    this.tell('visibilitychange');
  }
}

let server: ScriptedServer;
let realtime: RealtimeClient;
let states: RealtimeState[];
let scope: Target;
let page: Page;
let navigator: { onLine: boolean };

beforeEach(async () => {
  server = await ScriptedServer.start();
  scope = new Target();
  page = new Page();
  navigator = { onLine: true };
  vi.stubGlobal('addEventListener', scope.addEventListener.bind(scope));
  vi.stubGlobal('document', page);
  vi.stubGlobal('navigator', navigator);
  // No wait ends by itself before a spec does.
  vi.spyOn(Math, 'random').mockReturnValue(1_000);
  realtime = new RealtimeClient(server.url);
  realtime.onError(() => undefined);
  states = [];
  realtime.onState((state) => states.push(state));
});

afterEach(async () => {
  realtime.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await server.stop();
});

const wakes = [
  ['is shown', () => page.show()],
  ['is run again after it was frozen', () => page.tell('resume')],
  ['comes out of the back/forward cache', () => scope.tell('pageshow')],
  ['has a network again', () => scope.tell('online')],
] as const;

async function open(heartbeat?: object): Promise<Peer> {
  server.greet = (peer) => peer.welcome({ ...(heartbeat && { heartbeat }) });
  realtime.connect();
  const peer = await server.connection();
  await reached('open');
  return peer;
}

function reached(status: RealtimeState['status']): Promise<void> {
  return vi.waitFor(() => expect(realtime.state.status).toBe(status), 10_000);
}

describe('a page that sleeps', () => {
  it.each(wakes)('asks at once whether the server is there when it %s', async (_, wake) => {
    const peer = await open();
    wake();
    await peer.receive('$ping');
    expect(realtime.state.status).toBe('open');
  });

  it('keeps a connection that answers, and asks again the next time', async () => {
    const peer = await open();
    for (let count = 0; count < 3; count += 1) {
      page.show();
      await peer.receive('$ping');
      peer.send({ event: '$pong', data: { serverTime: Date.now() } });
      const reply = realtime.request('heard');
      await peer.reply('heard', { data: true });
      await reply;
      page.hide();
    }
    expect(states.map(({ status }) => status)).toEqual(['connecting', 'open']);
  });

  it('replaces a connection that does not', async () => {
    await open({ intervalMs: 60_000, timeoutMs: 100 });
    page.show();
    await reached('waiting');
    expect(states.at(-1)).toMatchObject({ cause: { code: 1006, reason: 'no answer' } });
  });

  it('asks nothing when it is hidden', async () => {
    const peer = await open();
    page.hide();
    realtime.send('last');
    await peer.receive('last');
    expect(peer.events).toEqual(['last']);
  });

  it.each(wakes)('ends a wait of its own when it %s', async (_, wake) => {
    const peer = await open();
    peer.close(1013);
    await reached('waiting');
    wake();
    await reached('open');
  });

  it('tries no more often than every half second, however often it wakes', async () => {
    const tried: number[] = [];
    realtime.onState(({ status }) => status === 'connecting' && tried.push(performance.now()));
    const peer = await open();
    server.refusal = { status: 500 };
    server.dryRunAnswer = { status: 426 };
    peer.close(1013);
    await vi.waitFor(
      () => {
        page.show();
        expect(tried).toHaveLength(3);
      },
      { interval: 5, timeout: 10_000 },
    );
    const gaps = tried.slice(1).map((at, index) => at - (tried[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThan(490);
  });

  it('waits as long as the server said, whatever wakes it', async () => {
    const peer = await open();
    peer.send({ event: '$reconnect', data: { afterMs: 60_000, reason: 'draining' } });
    peer.close(1001);
    await reached('waiting');
    for (const [, wake] of wakes) wake();
    scope.tell('offline');
    expect(states.map(({ status }) => status)).toEqual(['connecting', 'open', 'waiting']);
  });
});

describe('a page without a network', () => {
  it('says so, and tries again as soon as there is one', async () => {
    const peer = await open();
    navigator.onLine = false;
    peer.cut();
    await reached('waiting');
    expect(realtime.state).toMatchObject({ offline: true, retryInMs: 60_000 });
    page.show();
    navigator.onLine = true;
    scope.tell('online');
    await reached('open');
    expect(server.upgrades).toHaveLength(2);
  });

  it('gives up a wait for an attempt that would be in vain', async () => {
    const peer = await open();
    peer.close(1013);
    await reached('waiting');
    expect(realtime.state).not.toHaveProperty('offline');
    navigator.onLine = false;
    scope.tell('offline');
    expect(realtime.state).toMatchObject({ status: 'waiting', offline: true, retryInMs: 60_000 });
  });

  it('asks whether an open connection lives: the network may have been another', async () => {
    const peer = await open();
    navigator.onLine = false;
    scope.tell('offline');
    await peer.receive('$ping');
    expect(realtime.state.status).toBe('open');
  });
});

describe('the listeners on the page', () => {
  it('stay as long as the client runs', async () => {
    expect(scope.listening.size).toBe(0);
    await open();
    expect([...scope.listening]).toEqual(['offline', 'online', 'pageshow', 'resume', 'visibilitychange']);
    realtime.close();
    expect(scope.listening.size).toBe(0);
  });

  it('go when the server stops the client', async () => {
    const peer = await open();
    peer.close(4403);
    await reached('stopped');
    expect(scope.listening.size).toBe(0);
  });

  it('are no need: a worker has no document, and may have nothing to listen to', async () => {
    vi.stubGlobal('document', undefined);
    vi.stubGlobal('navigator', undefined);
    vi.stubGlobal('addEventListener', undefined);
    await open();
    expect(realtime.state.status).toBe('open');
  });
});
