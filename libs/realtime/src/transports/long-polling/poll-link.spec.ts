import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CLOSE } from '@aerie/protocol';
import { ReceivedRequests } from '../../../../../test/support/received-request.js';
import { Connection, type ConnectionEnd } from '../../connections/connection.js';
import { Heartbeat } from '../../connections/heartbeat.js';
import { OutboxBudget } from '../../connections/outbox-budget.js';
import type { HandshakeRequest } from '../../handshake/authenticator.js';
import { type GuardSources, HandshakeGuards } from '../../handshake/handshake-guards.js';
import { prepareRequest } from '../../handshake/handshake-request.js';
import { PathPattern } from '../../handshake/path-pattern.js';
import { RealtimeMetrics } from '../../metrics/meter.js';
import { ClientFacade } from '../client-facade.js';
import { EventId } from '../event-id.js';
import { Endpoint } from '../websocket/endpoint.js';
import { Framings } from '../websocket/framings.js';
import { PollLink, type Polled } from './poll-link.js';
import { PollWire } from './poll-wire.js';

const HOLD_MS = 25_000;
const SILENCE_MS = 30_000;
const BUDGET_BYTES = 1024 * 1024;

const ENDPOINT = new Endpoint({
  path: new PathPattern('/ws'),
  httpServer: createServer(),
  guards: new HandshakeGuards([], {} as GuardSources),
  gateways: [],
  methods: new Map(),
  maxFrameBytes: 1_000,
  framings: new Framings(),
});

describe('the polls of a client', () => {
  let connection: Connection;
  let link: PollLink;
  let ends: ConnectionEnd[];
  let budget: OutboxBudget;
  let request: HandshakeRequest;
  const requests = new ReceivedRequests();

  beforeAll(async () => {
    const bare = await requests.receive('/poll', []);
    request = prepareRequest(bare, { ip: '192.0.2.1', params: {}, transport: 'long-polling' }, {});
  });
  afterAll(() => requests.close());
  beforeEach(() => {
    vi.useFakeTimers();
    ends = [];
    budget = new OutboxBudget(BUDGET_BYTES, () => 1);
    const wire = new PollWire({ id: new EventId(() => ''), proof: () => '' });
    connection = new Connection({
      id: 'c1',
      wire,
      session: { user: 'ann', claims: {} },
      address: '127.0.0.1',
      outbox: { limitBytes: 1024 * 1024, budget },
    });
    const client = new ClientFacade({ connection, request, endpoint: ENDPOINT, addressGroup: '192.0.2.1' });
    link = new PollLink(wire, client, {
      heartbeat: new Heartbeat({ intervalMs: 30_000, timeoutMs: 10_000 }),
      metrics: new RealtimeMetrics(),
      budget,
      gate: { isOpen: () => true, hold: () => true },
      messagesOf: () => {
        throw new Error('no message is expected');
      },
      onEnd: (_client, end) => ends.push(end),
    });
    link.start();
  });
  afterEach(() => {
    connection.destroy();
    vi.runAllTimers();
    vi.useRealTimers();
  });

  /** What a poll was answered by now. */
  function polled(cursor: number, name = 'p', holdMs = HOLD_MS): { answer?: Polled } {
    const seen: { answer?: Polled } = {};
    void link.poll({ name, cursor, holdMs }).then((answer) => (seen.answer = answer));
    return seen;
  }

  it('brings the frames of a turn together, as soon as there are any', async () => {
    const poll = polled(0);
    await turn();
    expect(poll.answer).toBeUndefined();
    connection.emit('a');
    connection.emit('b');
    await turn();
    expect(poll.answer).toEqual(batch(1, 'a', 'b'));
  });

  it('brings the same batch again until the next cursor, and then what came behind it', async () => {
    connection.emit('a');
    const lost = polled(0);
    await turn();
    connection.emit('b');
    const again = polled(0);
    await turn();
    const next = polled(1);
    await turn();
    expect([lost.answer, again.answer, next.answer]).toEqual([batch(1, 'a'), batch(1, 'a'), batch(2, 'b')]);
  });

  it('counts a batch against the budget of the node until the next cursor, or the end', async () => {
    connection.emit('a', 'ü'.repeat(5_000));
    polled(0);
    await turn();
    expect([budget.bytes > 10_000, link.bytesOwed > 10_000]).toEqual([true, true]);
    polled(1);
    await turn();
    expect([budget.bytes, link.bytesOwed]).toEqual([0, 0]);
    connection.emit('b', 'x'.repeat(5_000));
    await turn();
    expect(budget.bytes).toBeGreaterThan(5_000);
    connection.destroy();
    await turn();
    expect(budget.bytes).toBe(0);
  });

  it('gives up a client whose batches are more than the node has room for', async () => {
    const others = Buffer.alloc(BUDGET_BYTES - 5_000);
    budget.retain(others, { bytesOwed: 0, shed: () => undefined });
    polled(0);
    connection.emit('a', 'x'.repeat(10_000));
    await turn(5_000);
    expect(connection.closedWith).toMatchObject({ code: CLOSE.slowConsumer.code });
    await turn(5_000);
    expect(ends).toHaveLength(1);
    expect(budget.bytes).toBeLessThan(BUDGET_BYTES);
    budget.close();
  });

  it('brings nothing when its hold is over', async () => {
    const poll = polled(0);
    await turn(HOLD_MS);
    expect(poll.answer).toEqual(batch(0));
  });

  it('lets the newest poll wait', async () => {
    const older = polled(0);
    const newer = polled(0);
    await turn();
    expect([older.answer, newer.answer]).toEqual([undefined, undefined]);
    // Two that share a connection take it from each other, but not in a loop.
    await vi.advanceTimersByTimeAsync(1_000);
    expect([older.answer, newer.answer]).toEqual([batch(0), undefined]);
    connection.emit('a');
    await turn();
    expect(newer.answer).toEqual(batch(1, 'a'));
  });

  it('holds the answers of four polls back that lost their place, and no more', async () => {
    const polls = Array.from({ length: 7 }, () => polled(0));
    await turn();
    expect(polls.map(({ answer }) => answer !== undefined)).toEqual([
      true,
      true,
      ...Array<boolean>(5).fill(false),
    ]);
    expect(polls[0]?.answer).toEqual(batch(0));
  });

  it('tells those, too, that the connection has ended, at once, and leaves no timer', async () => {
    const older = polled(0);
    const newer = polled(0);
    connection.destroy();
    await turn();
    expect([older.answer, newer.answer]).toEqual([{ state: 'gone' }, { state: 'gone' }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('refuses a cursor that is not that of the last batch, and lets the poll that waits wait', async () => {
    connection.emit('a');
    polled(0);
    await turn();
    const waiting = polled(1);
    for (const cursor of [0, 2]) {
      const wrong = polled(cursor);
      await turn();
      expect(wrong.answer).toEqual({ state: 'stale' });
    }
    connection.emit('b');
    await turn();
    expect(waiting.answer).toEqual(batch(2, 'b'));
  });

  it('counts no poll whose client went away as a sign of life, and keeps its batch', async () => {
    const left = polled(0, 'left');
    link.abandon('another');
    await turn();
    expect(left.answer).toBeUndefined();
    link.abandon('left');
    connection.emit('a');
    await turn(SILENCE_MS - 1);
    expect(left.answer).toEqual(batch(0));
    const poll = polled(0);
    await turn();
    expect(poll.answer).toEqual(batch(1, 'a'));
  });

  it('gives a client up after 30 s without a poll, and not while one waits', async () => {
    polled(0, 'p', SILENCE_MS * 2);
    await turn(SILENCE_MS * 2);
    expect(ends).toEqual([]);
    await turn(SILENCE_MS + 100);
    expect(ends).toMatchObject([{ code: 1006, silentMs: expect.any(Number) as number }]);
    const late = polled(0);
    await turn();
    expect(late.answer).toEqual({ state: 'gone' });
  });

  it('says goodbye in the last batch, and is gone once that came', async () => {
    const poll = polled(0);
    connection.close(CLOSE.goingAway);
    await turn();
    expect(poll.answer).toMatchObject({ state: 'batch', cursor: 1 });
    expect(JSON.stringify(poll.answer)).toContain('$close');
    const again = polled(0);
    await turn();
    expect(again.answer).toEqual(poll.answer);
    const next = polled(1);
    await turn();
    expect(next.answer).toEqual({ state: 'gone' });
    expect(ends).toEqual([{ ...CLOSE.goingAway }]);
  });

  it('is over 5 s after a goodbye that nobody fetched', async () => {
    connection.close(CLOSE.goingAway);
    await turn(5_100);
    expect(ends).toEqual([{ ...CLOSE.goingAway }]);
  });

  it('ends at once when its client says goodbye, and the poll that waits with it', async () => {
    const poll = polled(0);
    link.leave();
    await turn();
    expect(poll.answer).toEqual({ state: 'gone' });
    expect(ends).toEqual([{ code: 1000, reason: '' }]);
  });
});

function turn(ms = 0): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(ms);
}

function batch(cursor: number, ...events: string[]): Polled {
  const frames = events.map((event) => JSON.stringify({ event })).join(',');
  return { state: 'batch', cursor, id: '', frames };
}
