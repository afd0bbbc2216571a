import 'reflect-metadata';
import {
  type ArgumentsHost,
  BadRequestException,
  type CallHandler,
  Catch,
  type ExecutionContext,
  HttpException,
  Injectable,
  type NestInterceptor,
  NotFoundException,
  type PipeTransform,
  StandardSchemaValidationPipe,
  UseFilters,
  UseInterceptors,
  UsePipes,
  type WsExceptionFilter,
} from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import {
  BaseWsExceptionFilter,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { type ClientFacade, CurrentSession, type Session } from '@aerie/realtime';
import { openClient } from '@aerie/realtime/testing';
import { concat, interval, map, type Observable, of, take, throwError } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tokenFor } from './support/gateway.js';
import { type HttpPlatform, type NestApp, startNestApp } from './support/nest-app.js';

const Track = z.object({ id: z.string().min(1) });

@Injectable()
class Wrapping implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((wrapped: unknown) => ({ wrapped })));
  }
}

class Doubling implements PipeTransform<number, number> {
  transform(value: number): number {
    if (typeof value !== 'number') throw new BadRequestException(['id must be a number']);
    return value * 2;
  }
}

@Catch(HttpException)
class OwnFilter implements WsExceptionFilter<HttpException> {
  catch(exception: HttpException, host: ArgumentsHost): void {
    const client = host.switchToWs().getClient<ClientFacade>();
    client.send(JSON.stringify({ event: 'exception', data: { status: exception.getStatus() } }));
  }
}

@Catch()
class BaseFilter extends BaseWsExceptionFilter {
  static readonly seen: unknown[] = [];
  override catch(exception: unknown, host: ArgumentsHost): void {
    BaseFilter.seen.push(exception);
    // oxlint-disable-next-line promise/valid-params -- an exception filter's catch, not a promise's
    super.catch(exception, host);
  }
}

@WebSocketGateway({ path: '/ws' })
class WorkingGateway {
  @SubscribeMessage('track')
  track(
    @MessageBody({ schema: Track }) body: z.infer<typeof Track>,
    @CurrentSession() session: Session,
  ): unknown {
    return { tracking: body.id, user: session.user };
  }

  @SubscribeMessage('double')
  @UsePipes(Doubling)
  double(@MessageBody() value: number): number {
    return value;
  }

  @SubscribeMessage('wrapped')
  @UseInterceptors(Wrapping)
  wrapped(): string {
    return 'value';
  }

  @SubscribeMessage('many')
  many(): Observable<number> {
    return interval(5).pipe(take(2));
  }

  @SubscribeMessage('one-then-missing')
  oneThenMissing(): Observable<number> {
    return concat(
      of(1),
      throwError(() => new NotFoundException('no more')),
    );
  }

  @SubscribeMessage('missing')
  missing(): never {
    throw new NotFoundException('no such order');
  }

  @SubscribeMessage('ws-exception')
  wsException(): never {
    throw new WsException({ code: 'conflict', message: 'twice' });
  }

  /** As Nest's documentation turns the errors of a ValidationPipe into a WsException. */
  @SubscribeMessage('ws-list')
  wsList(): never {
    throw new WsException([{ property: 'id', constraints: { isNumber: 'a number' } }]);
  }

  @SubscribeMessage('http-list')
  httpList(): never {
    throw new BadRequestException([{ property: 'id' }]);
  }

  @SubscribeMessage('ws-fields')
  wsFields(): never {
    throw new WsException({ email: 'is taken' });
  }

  @SubscribeMessage('bug')
  async bug(): Promise<never> {
    throw new Error('the database password');
  }

  @SubscribeMessage('own-filter')
  @UseFilters(OwnFilter)
  ownFilter(): never {
    throw new NotFoundException('no such order');
  }

  @SubscribeMessage('base-filter')
  @UseFilters(BaseFilter)
  baseFilter(): never {
    throw new NotFoundException('no such order');
  }
}

@WebSocketGateway({ path: '/ws/hooks' })
class HookedGateway {
  static readonly log: string[] = [];

  async handleConnection(client: ClientFacade): Promise<void> {
    if (client.query['throw'] === 'now') throw new Error('not today');
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (client.query['throw'] === 'later') throw new Error('not today');
    HookedGateway.log.push('connected');
  }

  handleDisconnect(): void {
    throw new Error('nobody catches this');
  }

  @SubscribeMessage('hello')
  hello(): string {
    HookedGateway.log.push('hello');
    return 'hi';
  }
}

describe.each<HttpPlatform>(['express', 'fastify'])('messages on %s', (platform) => {
  let app: NestApp;
  beforeAll(async () => {
    const pipe = { provide: APP_PIPE, useValue: new StandardSchemaValidationPipe() };
    app = await startNestApp({ providers: [WorkingGateway, HookedGateway, pipe] }, { platform });
  });
  afterAll(() => app.close());

  it('are validated by the schema of their body', async () => {
    const client = await app.connect('alice');
    expect(await client.request('track', { id: '7' })).toMatchObject({
      data: { tracking: '7', user: 'alice' },
    });
    const refused = await client.request('track', { id: '' });
    expect(refused).toMatchObject({ error: { code: 'invalid', details: expect.anything() as unknown } });
  });

  it('go through pipes and interceptors', async () => {
    const client = await app.connect('alice');
    expect(await client.request('double', 4)).toMatchObject({ data: 8 });
    expect(await client.request('double', 'x')).toMatchObject({
      error: { code: 'invalid', message: 'id must be a number', details: ['id must be a number'] },
    });
    expect(await client.request('wrapped')).toMatchObject({ data: { wrapped: 'value' } });
  });

  it('get as many replies as an Observable emits', async () => {
    const client = await app.connect('alice');
    client.socket.send('{"event":"many","id":"m"}');
    await client.frame(({ done }) => done === true);
    expect(client.received.filter(({ id }) => id === 'm')).toEqual([
      { id: 'm', data: 0, more: true },
      { id: 'm', data: 1, done: true },
    ]);
  });

  it('get every value of an Observable before the error that ends it', async () => {
    const client = await app.connect('alice');
    client.socket.send('{"event":"one-then-missing","id":"o"}');
    await client.frame(({ error }) => error !== undefined);
    expect(client.received.filter(({ id }) => id === 'o')).toEqual([
      { id: 'o', data: 1, more: true },
      { id: 'o', error: { code: 'not_found', message: 'no more' } },
    ]);
  });

  it.each([
    ['missing', { code: 'not_found', message: 'no such order' }],
    ['ws-exception', { code: 'conflict', message: 'twice' }],
    ['ws-list', { code: 'invalid', details: [{ property: 'id', constraints: { isNumber: 'a number' } }] }],
    ['http-list', { code: 'invalid', message: 'Bad Request Exception', details: [{ property: 'id' }] }],
    ['ws-fields', { code: 'invalid', details: { email: 'is taken' } }],
    ['bug', { code: 'internal', message: 'Internal server error' }],
    ['base-filter', { code: 'not_found', message: 'no such order' }],
    ['nobody-knows', { code: 'unknown_event' }],
  ])('that fail are told so by id: %s', async (event, error) => {
    const client = await app.connect('alice');
    const reply = await client.request(event);
    expect(reply).toMatchObject({ error });
    expect(reply.data).toBeUndefined();
  });

  it('without an id get an exception frame, without their payload', async () => {
    const client = await app.connect('alice');
    client.send('missing', { card: '4111' });
    expect(await client.frame('exception')).toMatchObject({
      data: { status: 'error', message: 'no such order' },
      error: { code: 'not_found' },
    });
    client.send('bug', { card: '4111' });
    await client.frame('exception');
    expect(JSON.stringify(client.received)).not.toMatch(/4111|password/);
  });

  it('are answered by a filter of the application in its own way, and by id all the same', async () => {
    const client = await app.connect('alice');
    client.send('own-filter');
    expect(await client.frame('exception')).toEqual({ event: 'exception', data: { status: 404 } });
    const reply = await client.request('own-filter');
    expect(reply.error).toMatchObject({ code: expect.any(String) as unknown });
    await client.request('base-filter');
    expect(BaseFilter.seen.at(-1)).toBeInstanceOf(NotFoundException);
  });

  it('wait for an asynchronous handleConnection', async () => {
    HookedGateway.log.length = 0;
    const client = await openClient(app.ws('/ws/hooks'), { token: tokenFor('alice') });
    expect(await client.request('hello')).toMatchObject({ data: 'hi' });
    expect(HookedGateway.log).toEqual(['connected', 'hello']);
    await client.close();
  });

  it.each(['now', 'later'])('are not answered where handleConnection throws %s: 1011', async (when) => {
    const client = await openClient(app.ws(`/ws/hooks?throw=${when}`), { token: tokenFor('alice') });
    client.send('hello');
    expect(await client.closed).toMatchObject({ code: 1011 });
    expect(client.received).toEqual([]);
    const next = await app.connect('alice');
    expect(await next.request('double', 1)).toMatchObject({ data: 2 });
  });
});
