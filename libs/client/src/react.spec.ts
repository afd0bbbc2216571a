import { Window } from 'happy-dom';
import { createElement, StrictMode, useState, type ReactNode } from 'react';
import type { Root } from 'react-dom/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { ScriptedServer, type Peer } from '../test/scripted-server.js';
import { RealtimeClient } from './client.js';
import { useChannel, useConnectionState } from './react.js';

interface Events {
  say: { text: string };
}

const window = new Window();
let dom: typeof import('react-dom/client');
let server: ScriptedServer;
let realtime: RealtimeClient<Events>;
let root: Root;
let container: Element;

beforeAll(async () => {
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', window.document);
  dom = await import('react-dom/client');
});
// React still looks for its window after the last test.
afterAll(() => window.happyDOM.close());

beforeEach(async () => {
  server = await ScriptedServer.start();
  server.greet = (peer) => {
    peer.welcome();
    void answerAll(peer);
  };
  realtime = new RealtimeClient<Events>(server.url, { webSocket: WebSocket });
  realtime.onError(() => undefined);
  container = document.createElement('div');
  root = dom.createRoot(container);
});
afterEach(async () => {
  root.unmount();
  realtime.close();
  await server.stop();
});

/** Says yes to every `$subscribe` and `$unsubscribe`. */
async function answerAll(peer: Peer): Promise<void> {
  const { id, event } = await peer.receive();
  if (event?.includes('subscribe')) peer.send({ id, data: {} });
  return answerAll(peer);
}

function Room({ name, prefix = '' }: { name: string; prefix?: string }): ReactNode {
  const [texts, setTexts] = useState<readonly string[]>([]);
  const { state } = useChannel(realtime, name, {
    say: ({ text }) => setTexts((before) => [...before, prefix + text]),
  });
  return [name, state.status, prefix, ...texts].filter(Boolean).join(' ');
}

function Quiet({ name }: { name: string }): ReactNode {
  return useChannel(realtime, name).state.status;
}

function Connection(): ReactNode {
  return useConnectionState(realtime).status;
}

function room(name = 'room:7', prefix = ''): ReactNode {
  return createElement(Room, { name, prefix });
}

function shows(text: string): Promise<void> {
  return vi.waitFor(() => expect(container.textContent).toBe(text));
}

function say(peer: Peer, text: string, channel = 'room:7'): void {
  peer.send({ event: 'say', channel, data: { text } });
}

/** What the client said of its channels, once it has said something else. */
async function said(peer: Peer): Promise<string[]> {
  await new Promise((resolve) => setTimeout(resolve));
  realtime.send('after');
  await vi.waitFor(() => expect(peer.events.at(-1)).toBe('after'));
  return peer.frames.flatMap(({ event, data }) =>
    event?.startsWith('$') ? [`${event} ${String(data?.['channel'])}`] : [],
  );
}

describe('useChannel', () => {
  it('subscribes while it is mounted, and shows what is published', async () => {
    root.render(room());
    await shows('room:7 subscribed');
    const peer = await server.connection();
    say(peer, 'one');
    say(peer, 'two');
    await shows('room:7 subscribed one two');
    root.render(null);
    await vi.waitFor(() => expect(peer.events).toEqual(['$subscribe', '$unsubscribe']));
    expect(realtime.channel('room:7').state.status).toBe('idle');
  });

  it('says nothing twice where effects run twice', async () => {
    root.render(createElement(StrictMode, null, room()));
    await shows('room:7 subscribed');
    const peer = await server.connection();
    say(peer, 'once');
    await shows('room:7 subscribed once');
    expect(await said(peer)).toEqual(['$subscribe room:7']);
  });

  it('is once in the channel for all components, and as long as one of them is mounted', async () => {
    const two = [createElement('i', { key: 1 }, room()), createElement('i', { key: 2 }, room())];
    root.render(two);
    await shows('room:7 subscribed'.repeat(2));
    const peer = await server.connection();
    root.render(two.slice(1));
    await shows('room:7 subscribed');
    say(peer, 'still');
    await shows('room:7 subscribed still');
    expect(await said(peer)).toEqual(['$subscribe room:7']);
    root.render(null);
    await vi.waitFor(() => expect(peer.events).toContain('$unsubscribe'));
  });

  it('leaves one channel for another', async () => {
    root.render(room('room:7'));
    await shows('room:7 subscribed');
    root.render(room('room:8'));
    await shows('room:8 subscribed');
    const peer = await server.connection();
    say(peer, 'elsewhere');
    say(peer, 'here', 'room:8');
    await shows('room:8 subscribed here');
    await vi.waitFor(async () =>
      expect((await said(peer)).toSorted((a, b) => a.localeCompare(b))).toEqual([
        '$subscribe room:7',
        '$subscribe room:8',
        '$unsubscribe room:7',
      ]),
    );
  });

  it('calls the listener of the latest render, and subscribes no more for it', async () => {
    root.render(room());
    await shows('room:7 subscribed');
    const peer = await server.connection();
    say(peer, 'a');
    await shows('room:7 subscribed a');
    root.render(room('room:7', '>'));
    await shows('room:7 subscribed > a');
    say(peer, 'b');
    await shows('room:7 subscribed > a >b');
    expect(await said(peer)).toEqual(['$subscribe room:7']);
  });

  it('shows a refusal', async () => {
    server.greet = (peer) => {
      peer.welcome();
      void peer.reply('$subscribe', { error: { code: 'forbidden', message: 'no' } });
    };
    root.render(room());
    await shows('room:7 refused');
  });

  it('subscribes again on every connection, and when a stopped client starts', async () => {
    root.render(room());
    await shows('room:7 subscribed');
    (await server.connection()).cut();
    await server.connection();
    await shows('room:7 subscribed');
    realtime.close();
    root.render(createElement(Quiet, { name: 'room:8' }));
    await shows('idle');
    realtime.connect();
    await shows('subscribed');
  });

  it('renders on a server, where it subscribes to nothing', async () => {
    const { renderToString } = await import('react-dom/server');
    expect(renderToString(room())).toBe('room:7 idle');
    expect(realtime.state.status).toBe('idle');
  });
});

describe('useConnectionState', () => {
  it('shows where the connection stands', async () => {
    root.render(createElement(StrictMode, null, createElement(Connection)));
    await shows('idle');
    realtime.connect();
    await shows('open');
    realtime.close();
    await shows('stopped');
  });
});
