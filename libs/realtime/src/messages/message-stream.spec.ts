import { CLOSE, type Message, SYSTEM } from '@aerie/protocol';
import { WsException } from '@nestjs/websockets';
import { concat, defer, from, interval, map, NEVER, of, take, throwError } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { Refusal } from '../refusal.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { Deadlines } from '../deadlines.js';
import { SystemHandlers, UnderWay, unknownEvent } from './message-handlers.js';
import { MessageStream, type MessageLimits } from './message-stream.js';
import { registerPing } from './ping.js';

const LIMITS: MessageLimits = { messagesPerSecond: 1_000, burst: 10_000, concurrency: 1 };
const DEADLINE_MS = 30_000;

type Handler = (message: Message) => unknown;

interface Limits extends Partial<MessageLimits> {
  deadlineMs?: number;
}

function setUp(handlers: Record<string, Handler> = {}, limits: Limits = {}) {
  const { connection, wire } = connect('alice');
  const system = new SystemHandlers();
  registerPing(system);
  const faults: unknown[] = [];
  const application = {
    handle: (message: Message) => {
      const handler = handlers[message.event];
      return handler === undefined ? unknownEvent() : handler(message);
    },
  };
  const stream = new MessageStream(connection, application, {
    system,
    limits: { ...LIMITS, ...limits },
    deadlines: new Deadlines(limits.deadlineMs ?? DEADLINE_MS),
    metrics: new RealtimeMetrics(),
    reportFault: (fault) => faults.push(fault),
  });
  const send = (message: unknown): void => stream.receive(Buffer.from(JSON.stringify(message)), false);
  return { connection, wire, system, stream, send, faults };
}

/** The same, already welcomed. */
function opened(...options: Parameters<typeof setUp>) {
  const setup = setUp(...options);
  setup.stream.open();
  return setup;
}

/** A handler whose every call ends when the spec says so. */
function held() {
  const waiting: ((value?: unknown) => void)[] = [];
  const started: unknown[] = [];
  const handler = (message: Message): Promise<unknown> => {
    started.push(message.data);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    waiting.push(resolve);
    return promise;
  };
  const finish = async (value?: unknown): Promise<void> => {
    waiting.shift()?.(value);
    await pass();
  };
  return { handler, started, finish };
}

const pass = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a stream of messages', () => {
  it('answers by id, in order, one handler at a time', async () => {
    const { handler, started, finish } = held();
    const { send, wire } = opened({ work: handler });
    for (const data of [1, 2, 3]) send({ event: 'work', data, id: data });
    await pass();
    expect(started).toEqual([1]);
    await finish('a');
    await finish('b');
    await finish('c');
    expect(wire.frames).toEqual([
      { id: 1, data: 'a' },
      { id: 2, data: 'b' },
      { id: 3, data: 'c' },
    ]);
  });

  it('runs as many handlers at a time as its gateway allows', async () => {
    const { handler, started, finish } = held();
    const { send } = opened({ work: handler }, { concurrency: 2 });
    for (const data of [1, 2, 3]) send({ event: 'work', data });
    await pass();
    expect(started).toEqual([1, 2]);
    await finish();
    expect(started).toEqual([1, 2, 3]);
  });

  it('begins the next one once a handler says that its own place is settled, and answers when it is done', async () => {
    const { handler, started, finish } = held();
    const { send, wire } = opened({ work: (message) => new UnderWay(handler(message)) });
    for (const data of [1, 2]) send({ event: 'work', data, id: data });
    await pass();
    expect(started).toEqual([1, 2]);
    expect(wire.frames).toEqual([]);
    await finish('a');
    await finish('b');
    expect(wire.frames).toEqual([
      { id: 1, data: 'a' },
      { id: 2, data: 'b' },
    ]);
  });

  it('has at most 64 under way that let the next one begin', async () => {
    const { handler, started, finish } = held();
    const { send } = opened({ work: (message) => new UnderWay(handler(message)) });
    for (let index = 0; index < 70; index += 1) send({ event: 'work' });
    await pass();
    expect(started).toHaveLength(64);
    await finish();
    expect(started).toHaveLength(65);
  });

  it('tells a handler that is under way of its deadline, too', async () => {
    const { handler, finish } = held();
    const { send, wire } = opened(
      { work: (message) => new UnderWay(handler(message)) },
      { deadlineMs: 5_000 },
    );
    send({ event: 'work', id: 1 });
    await pass(5_000);
    await finish('late');
    expect(wire.frames).toMatchObject([{ id: 1, error: { code: 'timeout' } }]);
  });

  it('opens no stream that a handler returns after the connection has ended', async () => {
    const { handler, finish } = held();
    let opens = 0;
    const values = defer(() => {
      opens += 1;
      return NEVER;
    });
    const { send, stream, connection } = opened({ work: handler });
    send({ event: 'work' });
    connection.ended();
    stream.end();
    await finish(values);
    expect(opens).toBe(0);
  });

  it('runs nothing before the welcome, and everything in order after it', async () => {
    const { send, stream, wire } = setUp({ echo: ({ data }) => data });
    send({ event: 'echo', data: 1, id: 1 });
    send({ event: SYSTEM.ping, id: 2 });
    await pass();
    expect(wire.frames).toEqual([]);
    stream.open();
    await pass();
    expect(wire.frames).toEqual([{ id: 1, data: 1 }, expect.objectContaining({ id: 2, event: '$pong' })]);
  });

  it('stops reading at 64 that wait, and reads on at half of them', async () => {
    const { handler, finish } = held();
    const { send, wire } = opened({ work: handler });
    for (let index = 0; index < 64; index += 1) send({ event: 'work' });
    await pass();
    expect(wire.paused).toBe(false);
    send({ event: 'work' });
    expect(wire.paused).toBe(true);
    for (let index = 0; index < 31; index += 1) await finish();
    expect(wire.paused).toBe(true);
    await finish();
    expect(wire.paused).toBe(false);
  });

  it('answers pings at once, whatever the handlers are doing', async () => {
    const { handler } = held();
    const { send, wire } = opened({ work: handler });
    send({ event: 'work' });
    send({ event: 'work' });
    send({ event: SYSTEM.ping });
    await pass();
    expect(wire.frames).toEqual([{ event: SYSTEM.pong, data: { serverTime: Date.now() } }]);
  });

  it('sends what a handler returns as Nest does where there is no id', async () => {
    const { send, wire } = opened({
      event: () => ({ event: 'answer', data: 1 }),
      nothing: () => undefined,
    });
    send({ event: 'event' });
    send({ event: 'event', id: 1 });
    send({ event: 'nothing' });
    send({ event: 'nothing', id: 2 });
    await pass();
    expect(wire.frames).toEqual([
      { event: 'answer', data: 1 },
      { id: 1, event: 'answer', data: 1 },
      { id: 2 },
    ]);
  });

  it('says so where nobody handles an event', async () => {
    const { send, wire } = opened();
    send({ event: 'nobody', id: 1 });
    send({ event: '$nobody', id: 2 });
    await pass();
    expect(wire.frames).toEqual([
      { id: 1, error: { code: 'unknown_event', message: 'no handler for this event' } },
      { id: 2, error: { code: 'unknown_event', message: 'no handler for this event' } },
    ]);
  });

  it('starts nothing that waits once the connection was closed: by a revocation, say', async () => {
    const { handler, started, finish } = held();
    const { send, connection } = opened({ work: handler });
    for (const data of [1, 2, 3]) send({ event: 'work', data });
    connection.close(CLOSE.sessionEnded);
    await finish();
    await finish();
    expect(started).toEqual([1]);
  });

  it('starts nothing once the connection has ended', async () => {
    const { handler, started, finish } = held();
    const { send, stream, wire, connection } = opened({ work: handler });
    for (const data of [1, 2]) send({ event: 'work', data });
    await pass();
    connection.ended();
    stream.end();
    send({ event: 'work', data: 3 });
    await finish('late');
    expect(started).toEqual([1]);
    expect(wire.frames).toEqual([]);
  });
});

describe('an $unsubscribe', () => {
  function withChannels(concurrency: number) {
    const setup = opened({}, { concurrency });
    const subscribe = held();
    const order: string[] = [];
    setup.system.set(SYSTEM.subscribe, async (_connection, message) => {
      await subscribe.handler(message);
      order.push('subscribed');
      return {};
    });
    setup.system.set(SYSTEM.unsubscribe, () => {
      order.push('unsubscribed');
      return {};
    });
    return { ...setup, subscribe, order };
  }

  it.each([1, 4])('does not overtake the $subscribe that it takes back, %i handlers at a time', async (n) => {
    const { send, subscribe, order, wire } = withChannels(n);
    send({ event: SYSTEM.subscribe, data: { channel: 'a' }, id: 1 });
    send({ event: SYSTEM.unsubscribe, data: { channel: 'a' }, id: 2 });
    await pass();
    expect(order).toEqual([]);
    await subscribe.finish();
    expect(order).toEqual(['subscribed', 'unsubscribed']);
    expect(wire.frames).toMatchObject([{ id: 1 }, { id: 2 }]);
  });

  it('waits for nobody else', async () => {
    const { handler } = held();
    const { send, system } = opened({ work: handler });
    const order: string[] = [];
    system.set(SYSTEM.unsubscribe, () => order.push('unsubscribed'));
    send({ event: 'work' });
    send({ event: SYSTEM.unsubscribe, data: { channel: 'a' } });
    await pass();
    expect(order).toEqual(['unsubscribed']);
  });
});

describe('a handler that fails', () => {
  it('is told with its code where that was meant for the client, and as internal where not', async () => {
    const { send, wire, faults } = opened({
      refused: () => new Refusal('forbidden', 'not you'),
      thrown: () => {
        throw new WsException({ code: 'conflict', message: 'twice' });
      },
      bug: () => {
        throw new Error('secret detail');
      },
    });
    for (const [id, event] of ['refused', 'thrown', 'bug'].entries()) send({ event, id });
    await pass();
    expect(wire.frames).toEqual([
      { id: 0, error: { code: 'forbidden', message: 'not you' } },
      { id: 1, error: { code: 'conflict', message: 'twice' } },
      { id: 2, error: { code: 'internal', message: 'Internal server error' } },
    ]);
    expect(faults.length).toBe(1);
  });

  it('does no harm with a reply or details that no JSON can hold', async () => {
    const { send, wire } = opened({
      reply: () => 1n,
      details: () => {
        throw new WsException({ code: 'invalid', message: 'm', details: 1n });
      },
      next: () => 'fine',
    });
    send({ event: 'reply', id: 1 });
    send({ event: 'details', id: 2 });
    send({ event: 'next', id: 3 });
    await pass();
    expect(wire.frames).toEqual([
      { id: 1, error: { code: 'internal', message: 'Internal server error' } },
      { id: 2, error: { code: 'invalid', message: 'm' } },
      { id: 3, data: 'fine' },
    ]);
  });

  it('is answered with timeout after its deadline; what it says later counts for nothing', async () => {
    const { handler, finish } = held();
    const { send, wire } = opened({ work: handler, next: () => 'next' }, { deadlineMs: 5_000 });
    send({ event: 'work', id: 1 });
    send({ event: 'next', id: 2 });
    await pass(4_999);
    expect(wire.frames).toEqual([]);
    await pass(1);
    await finish('late');
    expect(wire.frames).toMatchObject([
      { id: 1, error: { code: 'timeout' } },
      { id: 2, data: 'next' },
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that fails after its deadline is reported, and ends nothing', async () => {
    const { send, faults } = opened(
      { work: () => new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 9_000)) },
      { deadlineMs: 5_000 },
    );
    send({ event: 'work', id: 1 });
    await pass(10_000);
    expect(faults).toMatchObject([{ event: 'late failure' }]);
  });
});

describe('a stream of replies', () => {
  it('has more until it is done', async () => {
    const { send, wire } = opened({ count: () => interval(10).pipe(take(3)) });
    send({ event: 'count', id: 1 });
    await pass(100);
    expect(wire.frames).toEqual([
      { id: 1, data: 0, more: true },
      { id: 1, data: 1, more: true },
      { id: 1, data: 2, done: true },
    ]);
  });

  it('is one plain reply where a single value completes at once', async () => {
    const { send, wire } = opened({ one: () => of('value') });
    send({ event: 'one', id: 1 });
    await pass();
    expect(wire.frames).toEqual([{ id: 1, data: 'value' }]);
  });

  it('gives every value before the error that ends it', async () => {
    const { send, wire } = opened({
      two: () =>
        concat(
          from([1, 2]),
          throwError(() => new WsException({ code: 'conflict', message: 'then' })),
        ),
    });
    send({ event: 'two', id: 1 });
    await pass();
    expect(wire.frames).toEqual([
      { id: 1, data: 1, more: true },
      { id: 1, data: 2, more: true },
      { id: 1, error: { code: 'conflict', message: 'then' } },
    ]);
  });

  it('sends each value as Nest does where there is no id', async () => {
    const { send, wire } = opened({
      many: () => from([{ event: 'a', data: 1 }, null, { event: 'b', data: 2 }]),
    });
    send({ event: 'many' });
    await pass();
    expect(wire.frames).toEqual([
      { event: 'a', data: 1 },
      { event: 'b', data: 2 },
    ]);
  });

  it('ends with a value that no JSON can hold', async () => {
    const { send, wire } = opened({ bad: () => interval(10).pipe(map(() => 1n)) });
    send({ event: 'bad', id: 1 });
    await pass(100);
    expect(wire.frames).toEqual([{ id: 1, error: { code: 'internal', message: 'Internal server error' } }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is released with the connection', async () => {
    const { send, stream } = opened({ forever: () => interval(10) });
    send({ event: 'forever', id: 1 });
    await pass(105);
    stream.end();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is one of at most 32 that are open', async () => {
    const { send, wire } = opened({ forever: () => NEVER });
    for (let id = 1; id <= 33; id += 1) send({ event: 'forever', id });
    await pass();
    expect(wire.frames).toMatchObject([{ id: 33, error: { code: 'limit_exceeded' } }]);
  });
});

describe('what a client may not do', () => {
  it('a bad frame gets an error frame with its id, and costs ten messages', async () => {
    const { stream, wire, connection } = opened({}, { burst: 25, messagesPerSecond: 1 });
    const bad = Buffer.from('{"id":9,"event":""}');
    stream.receive(bad, false);
    expect(wire.frames).toMatchObject([{ id: 9, error: { code: 'bad_frame' } }]);
    stream.receive(bad, false);
    expect(connection.isOpen).toBe(true);
    stream.receive(bad, false);
    expect(wire.goodbyes).toEqual([CLOSE.rateLimited]);
  });

  it('a hundred bad frames in ten seconds end the connection with 1008', async () => {
    const { stream, wire, connection } = opened({}, { burst: 100_000 });
    for (let index = 0; index < 99; index += 1) stream.receive(Buffer.from('!'), false);
    expect(connection.isOpen).toBe(true);
    await pass(10_001);
    for (let index = 0; index < 99; index += 1) stream.receive(Buffer.from('!'), false);
    expect(connection.isOpen).toBe(true);
    stream.receive(Buffer.from('!'), false);
    expect(wire.goodbyes).toEqual([CLOSE.policy]);
  });

  it('more messages than its rate end the connection with 4429', () => {
    const { send, wire } = opened({ work: () => undefined }, { burst: 5, messagesPerSecond: 1 });
    for (let index = 0; index < 6; index += 1) send({ event: 'work' });
    expect(wire.goodbyes).toEqual([CLOSE.rateLimited]);
  });

  it('binary frames are JSON in UTF-8, or bad frames', async () => {
    const { stream, wire } = opened({ echo: ({ data }) => data });
    stream.receive(Buffer.from('{"event":"echo","data":"ü","id":1}'), true);
    stream.receive(Buffer.from([0xff, 0xfe]), true);
    await pass();
    expect(wire.frames).toContainEqual({ id: 1, data: 'ü' });
    expect(wire.frames).toContainEqual(
      expect.objectContaining({ error: { code: 'bad_frame', message: 'not UTF-8' } }),
    );
  });
});
