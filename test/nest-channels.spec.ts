import {
  BadRequestException,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  Injectable,
  Module,
  type NestInterceptor,
  type PipeTransform,
  Scope,
  StandardSchemaValidationPipe,
  type Type,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { MessageBody, WebSocketGateway } from '@nestjs/websockets';
import {
  Channel,
  ChannelName,
  ChannelParam,
  ConnectionRegistry,
  CurrentSession,
  OnPublish,
  OnSubscribe,
  RealtimeService,
  Refusal,
  type Session,
  type ClientFacade,
} from '@aerie/realtime';
import { map, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type NestApp, startNestApp } from './support/nest-app.js';

const Say = z.object({ text: z.string().min(1) });

@Injectable()
class Rooms {
  has(room: string, user: string): boolean {
    return room !== 'private' || user === 'alice';
  }
}

@Injectable()
class NoBots implements CanActivate {
  constructor(private readonly rooms: Rooms) {}

  canActivate(context: ExecutionContext): boolean {
    const { session } = context.switchToWs().getClient<ClientFacade>();
    return this.rooms.has('any', session.user) && session.user !== 'bot';
  }
}

@Injectable()
class Stamped implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler<object>): Observable<unknown> {
    return next.handle().pipe(map((data) => ({ ...data, stamped: true })));
  }
}

class Trimmed implements PipeTransform<{ text?: unknown }> {
  transform(value: { text?: unknown }): unknown {
    if (typeof value.text !== 'string') throw new BadRequestException('text must be a string');
    return { text: value.text.trim() };
  }
}

@Channel('room:{roomId}')
@UseGuards(NoBots)
class RoomChannel {
  constructor(private readonly rooms: Rooms) {}

  @OnSubscribe()
  mayJoin(@CurrentSession() session: Session, @ChannelParam('roomId') id: string): boolean {
    return this.rooms.has(id, session.user);
  }

  @OnPublish('say')
  say(@MessageBody({ schema: Say }) body: z.infer<typeof Say>, @ChannelName() channel: string): unknown {
    return { ...body, channel };
  }

  @OnPublish('shout')
  @UseInterceptors(Stamped)
  @UsePipes(Trimmed)
  shout(@MessageBody() body: unknown): unknown {
    return body;
  }

  @OnPublish('whisper')
  whisper(): Refusal {
    return new Refusal('rate_limited', 'not so often');
  }

  @OnPublish('broken')
  async broken(): Promise<never> {
    throw new Error('the database password');
  }
}

const { promise: decided, resolve: decide } = Promise.withResolvers<boolean>();

@Channel('slow:{id}')
class SlowChannel {
  @OnSubscribe() mayJoin(): Promise<boolean> {
    return decided;
  }
}

@Channel('closed:{id}')
class ClosedChannel {}

@WebSocketGateway({ path: '/ws' })
class PlainGateway {}

interface Events {
  'order.status': { id: string };
}

/** A module somewhere in the application: it imports nothing of Aerie. */
@Injectable()
class Orders {
  constructor(
    readonly realtime: RealtimeService<Events>,
    readonly registry: ConnectionRegistry,
  ) {}
}

@Module({ providers: [Orders] })
class OrdersModule {}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {}

@Channel('scoped:{id}')
class ScopedChannel {
  constructor(readonly perRequest: PerRequest) {}
}

@Channel('twice:{id}')
class TwiceChannel {
  @OnPublish('say') first(): unknown {
    return 1;
  }
  @OnPublish('say') second(): unknown {
    return 2;
  }
}

@Channel('user:{id}')
class UserChannel {}

describe('channel classes', () => {
  let app: NestApp;
  beforeAll(async () => {
    const pipe = { provide: APP_PIPE, useValue: new StandardSchemaValidationPipe() };
    const providers = [PlainGateway, RoomChannel, ClosedChannel, Rooms, pipe];
    app = await startNestApp({ imports: [OrdersModule], providers });
  });
  afterAll(() => app.close());

  it('decide who may subscribe, with their dependencies', async () => {
    const [alice, bob] = [await app.connect('alice'), await app.connect('bob')];
    expect(await alice.request('$subscribe', { channel: 'room:private' })).toMatchObject({ data: {} });
    expect(await bob.request('$subscribe', { channel: 'room:private' })).toMatchObject({
      error: { code: 'forbidden' },
    });
  });

  it('run their guards', async () => {
    const bot = await app.connect('bot');
    for (const [event, data] of [
      ['$subscribe', { channel: 'room:7' }],
      ['$publish', { channel: 'room:7', event: 'say', data: { text: 'hi' } }],
    ] as const)
      expect(await bot.request(event, data)).toMatchObject({ error: { code: 'forbidden' } });
  });

  it('take publications of clients through pipes and interceptors', async () => {
    const [alice, bob] = [await app.connect('alice'), await app.connect('bob')];
    await bob.request('$subscribe', { channel: 'room:7' });
    await alice.request('$publish', { channel: 'room:7', event: 'say', data: { text: 'hi' } });
    expect(await bob.frame('say')).toEqual({
      event: 'say',
      channel: 'room:7',
      data: { text: 'hi', channel: 'room:7' },
      from: 'alice',
    });
    await alice.request('$publish', { channel: 'room:7', event: 'shout', data: { text: ' hey ' } });
    expect(await bob.frame('shout')).toMatchObject({ data: { text: 'hey', stamped: true } });
  });

  it.each([
    ['say', { text: '' }, { code: 'invalid' }],
    ['shout', {}, { code: 'invalid', message: 'text must be a string' }],
    ['whisper', {}, { code: 'rate_limited', message: 'not so often' }],
    ['broken', {}, { code: 'internal', message: 'Internal server error' }],
    ['unknown', {}, { code: 'forbidden' }],
  ])('refuse as values, with codes: %s', async (event, data, error) => {
    const alice = await app.connect('alice');
    const reply = await alice.request('$publish', { channel: 'room:7', event, data });
    expect(reply).toMatchObject({ error });
  });

  it.each(['closed:1', 'nowhere', 'user:bob'])(
    'are closed unless a method opens them: %s',
    async (channel) => {
      const alice = await app.connect('alice');
      for (const event of ['$subscribe', '$publish'])
        expect(await alice.request(event, { channel, event: 'say', data: 1 })).toMatchObject({
          error: { code: 'forbidden' },
        });
    },
  );

  it.each<[string, Type[], RegExp]>([
    ['per request', [ScopedChannel, PerRequest], /ScopedChannel is request-scoped/],
    ['two methods of one event', [TwiceChannel], /TwiceChannel\.second/],
    ['the built-in pattern', [UserChannel], /user:\{id\}/],
  ])('are refused at boot: %s', async (_name, providers, message) => {
    await expect(startNestApp({ providers })).rejects.toThrow(message);
  });
});

describe('who is told that a subscription took too long', () => {
  it('gets no second reply, and is no member afterwards', async () => {
    const realtime = { limits: { handlerDeadlineMs: 200 } };
    await using app = await startNestApp({ providers: [PlainGateway, SlowChannel] }, { realtime });
    const alice = await app.connect('alice');
    const reply = await alice.request('$subscribe', { channel: 'slow:1' });
    expect(reply).toMatchObject({ error: { code: 'timeout' } });
    decide(true);
    await app.get(RealtimeService).channel('slow:1').publish('say', 'hi');
    await alice.request('$ping');
    expect(app.get(ConnectionRegistry).inChannel('slow:1').size).toBe(0);
    expect(alice.received.filter(({ id }) => id === reply.id)).toEqual([reply]);
  });
});

/** Only compiled: what the types let through, and what not. */
export function typed({ realtime }: Orders, app: INestApplication): void {
  void realtime.user('alice').emit('order.status', { id: '7' });
  // @ts-expect-error -- data of another shape
  void realtime.user('alice').emit('order.status', { id: 7 });
  // @ts-expect-error -- no such event
  void realtime.broadcast('order.stats', { id: '7' });
  void realtime.channel<{ moved: string }>('room:7').publish('moved', 'here');
  // @ts-expect-error -- not in the channel's own map
  void realtime.channel<{ moved: string }>('room:7').publish('order.status', { id: '7' });
  // Without a map of events any may go out: Nest infers none from the class alone.
  void app.get(RealtimeService).broadcast('anything', { at: 'all' });
  void app.get(RealtimeService).user('alice').emit('anything', 7);
  void app.get(RealtimeService).channel('room:7').publish('anything', undefined);
}

describe('RealtimeService and ConnectionRegistry', () => {
  it('can be injected by any module, and reach users and channels', async () => {
    await using app = await startNestApp({
      imports: [OrdersModule],
      providers: [PlainGateway, RoomChannel, Rooms],
    });
    const { realtime, registry } = app.get(Orders);
    const alice = await app.connect('alice');
    await alice.request('$subscribe', { channel: 'room:7' });
    expect(registry.ofUser('alice').size).toBe(1);
    expect(await realtime.user('alice').isOnline()).toBe(true);
    expect(await realtime.user('alice').emit('order.status', { id: '7' })).toMatchObject({ ok: true });
    expect(await alice.frame('order.status')).toEqual({ event: 'order.status', data: { id: '7' } });
    await realtime.channel('room:7').publish('order.status', { id: '8' });
    expect(await alice.frame('order.status')).toMatchObject({ channel: 'room:7', data: { id: '8' } });
    await realtime.user('alice').disconnect();
    expect(await alice.closed).toMatchObject({ code: 4403 });
    await vi.waitFor(async () => expect(await realtime.user('alice').isOnline()).toBe(false));
  });
});
