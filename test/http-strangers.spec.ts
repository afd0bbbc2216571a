import 'reflect-metadata';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CanActivate, ForbiddenException, Injectable, UseGuards } from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import { Channel, ConnectionRegistry, OnSubscribe, RealtimeService } from '@aerie/realtime';
import { RealtimeTransportsModule } from '@aerie/realtime/transports';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { EventStream } from './support/event-stream.js';
import { tokenFor } from './support/gateway.js';
import { CHANNELS } from './support/history-apps.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

@WebSocketGateway({ path: '/ws' })
class Gateway {}

@Injectable()
class Refusing implements CanActivate {
  canActivate(): boolean {
    throw new ForbiddenException('a secret of the board');
  }
}

@Channel('board:{id}')
@UseGuards(Refusing)
class Board {
  @OnSubscribe() mayRead(): boolean {
    return true;
  }
}

@Channel('broken:{id}')
class Broken {
  @OnSubscribe() mayRead(): boolean {
    throw new TypeError('the database password');
  }
}

const by = (user: string, headers: Record<string, string> = {}): Record<string, string> => ({
  authorization: `Bearer ${tokenFor(user)}`,
  ...headers,
});

/** Clients that are not the project's own, and what they think of. */
describe('a stranger over HTTP', () => {
  let app: NestApp;
  beforeAll(async () => {
    app = await startNestApp(
      { imports: [RealtimeTransportsModule.forRoot()], providers: [Gateway, Refusing, Board, Broken] },
      { realtime: { channels: CHANNELS } },
    );
  });
  afterAll(() => app.close());
  afterEach(() => {
    for (const connection of app.get(ConnectionRegistry).all()) connection.destroy();
  });

  it('goes on with its other channels where a guard refuses one or a rule fails', async () => {
    const stream = await EventStream.open(
      app.url('/sse?channels=board:1,broken:1,nowhere:1,room:1'),
      by('ann'),
    );
    await vi.waitFor(() => expect(stream.dataOf('$subscribed')).toHaveLength(4));
    const forbidden = { code: 'forbidden', message: 'no such channel, or not allowed' };
    expect(stream.dataOf('$subscribed')).toMatchObject([
      { channel: 'board:1', error: forbidden },
      { channel: 'broken:1', error: { code: 'internal', message: 'Internal server error' } },
      { channel: 'nowhere:1', error: forbidden },
      { channel: 'room:1', offset: 0 },
    ]);
    await app.get(RealtimeService).channel('room:1').publish('count', 1);
    await vi.waitFor(() => expect(stream.dataOf('count')).toEqual([1]));
    stream.cut();
  });

  it.each(['', '0x10', '1e3', '-1', '1.5', ' 1', '9'.repeat(20)])(
    'is refused with an id whose offset is no number: "%s"',
    async (offset) => {
      const id = encodeURIComponent(`;room:1/epoch/${offset}`);
      const { status } = await fetch(app.url(`/poll?lastEventId=${id}`), { headers: by('bob') });
      expect(status).toBe(400);
    },
  );

  it.each(['42', 'rubbish', 'a.b.c', 'ü.x', ';room:1/e/1, ;room:1/e/1'])(
    'is refused with what is no id of this server, instead of beginning anew without a word: "%s"',
    async (id) => {
      const asked = app.url(`/poll?lastEventId=${encodeURIComponent(id)}`);
      expect((await fetch(asked, { headers: by('bob') })).status).toBe(400);
    },
  );

  it('is refused with two ids in its query', async () => {
    const asked = app.url('/poll?lastEventId=;room:1/e/1&lastEventId=;room:1/e/2');
    expect((await fetch(asked, { headers: by('bob') })).status).toBe(400);
  });

  it('is told that a stream of events ends with its connection', async () => {
    const { headers, body } = await fetch(app.url('/sse'), { headers: by('bob') });
    expect(headers.get('connection')).toBe('close');
    await body?.cancel();
  });

  it('says goodbye only to a connection that it polls', async () => {
    const stream = await EventStream.open(app.url('/sse'), by('eve'));
    const { connection } = (await stream.frame('$welcome')).data as { connection: string };
    const headers = by('eve', { 'aerie-connection': connection });
    const { status } = await fetch(app.url('/poll'), { method: 'DELETE', headers });
    expect(status).toBe(410);
    expect(app.get(ConnectionRegistry).size).toBe(1);
    stream.cut();
  });

  it('acknowledges nothing with two cursors', async () => {
    const opened = (await (await fetch(app.url('/poll'), { headers: by('cyd') })).json()) as {
      connection: string;
      cursor: string;
    };
    const headers = by('cyd', { 'aerie-connection': opened.connection });
    const poll = (query: string): Promise<Response> => fetch(app.url(`/poll?${query}`), { headers });
    expect((await poll(`cursor=${opened.cursor}&cursor=7`)).status).toBe(400);
    const again = (await (await poll('cursor=0')).json()) as { cursor: string };
    expect(again.cursor).toBe(opened.cursor);
  });

  it('leaves nothing behind where it goes away, at whichever moment', async () => {
    const head = `HTTP/1.1\r\nHost: a\r\nAuthorization: ${by('dan')['authorization'] ?? ''}\r\n\r\n`;
    for (let moment = 0; moment < 20; moment += 1) {
      const socket = connect(app.port, '127.0.0.1').on('error', () => undefined);
      socket.write(`GET /events?channel=room:1 ${head}GET /sse?channels=room:1 ${head}GET /sse ${head}`);
      await sleep(moment / 2);
      socket.resetAndDestroy();
    }
    await vi.waitFor(() => expect(app.get(ConnectionRegistry).size).toBe(0));
    const { status } = await fetch(app.url('/events?channel=room:1'), { headers: by('dan') });
    expect(status).toBe(200);
  });
});
