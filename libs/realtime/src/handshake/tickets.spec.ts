import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../connections/session.js';
import { MemoryTicketStore } from '../memory/memory-ticket-store.js';
import { Refusal } from '../refusal.js';
import { TicketStore } from './ticket-store.js';
import { Tickets } from './tickets.js';

const alice: Session = { user: 'alice', tenant: 'acme', claims: { role: 'admin' }, jti: 'j-1', issuedAt: 1 };

class SpyingStore extends MemoryTicketStore {
  readonly seen: string[] = [];
  override put(...call: Parameters<MemoryTicketStore['put']>): Promise<void> {
    this.seen.push(call[0]);
    return super.put(...call);
  }
}

class BrokenStore extends TicketStore {
  override put = () => Promise.reject(new Error('connect redis://:password@host'));
  override take = () => Promise.reject(new Error('connect redis://:password@host'));
  override peek = () => Promise.reject(new Error('connect redis://:password@host'));
}

async function issue(tickets: Tickets, session: Session = alice): Promise<string> {
  const issued = await tickets.issue(session);
  if (issued instanceof Refusal) throw new Error(issued.reason);
  return issued.ticket;
}

beforeEach(() => vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('a ticket', () => {
  it('stands for the session that asked for it, once', async () => {
    const tickets = new Tickets(new MemoryTicketStore());
    const ticket = await issue(tickets);
    expect(await tickets.peek(ticket)).toEqual(alice);
    expect(await tickets.redeem(ticket)).toEqual(alice);
    expect(await tickets.redeem(ticket)).toMatchObject({ status: 401, reason: 'unknown_ticket' });
    expect(await tickets.peek(ticket)).toMatchObject({ status: 401, reason: 'unknown_ticket' });
  });

  it('is 256 random bits, good for 30 s', async () => {
    const tickets = new Tickets(new MemoryTicketStore());
    expect(await tickets.issue(alice)).toEqual({
      ticket: expect.stringMatching(/^[\w-]{43}$/),
      expiresInMs: 30_000,
    });
    const many = await Promise.all(Array.from({ length: 100 }, () => issue(tickets)));
    expect(new Set(many).size).toBe(100);
    const [ticket = ''] = many;
    vi.advanceTimersByTime(29_999);
    expect(await tickets.peek(ticket)).toEqual(alice);
    vi.advanceTimersByTime(1);
    expect(await tickets.redeem(ticket)).toMatchObject({ status: 401 });
  });

  it('never reaches the store itself', async () => {
    const store = new SpyingStore();
    const ticket = await issue(new Tickets(store));
    expect(store.seen).toHaveLength(1);
    expect(store.seen[0]).not.toContain(ticket);
    expect(await new Tickets(store).redeem(store.seen[0] ?? '')).toMatchObject({ reason: 'unknown_ticket' });
  });

  it.each([
    '',
    'a',
    'a'.repeat(42),
    'a'.repeat(44),
    `${'a'.repeat(42)}=`,
    `${'a'.repeat(42)}\n`,
    `${'a'.repeat(43)}\n`,
    '../'.repeat(15),
  ])('that is none is 401: %j', async (ticket) => {
    const tickets = new Tickets(new BrokenStore());
    expect(await tickets.redeem(ticket)).toMatchObject({ status: 401, reason: 'malformed_ticket' });
  });

  it('dies with its session', async () => {
    const tickets = new Tickets(new MemoryTicketStore());
    const ticket = await issue(tickets, { ...alice, expiresAt: Date.now() + 10_000 });
    vi.advanceTimersByTime(9_999);
    expect(await tickets.peek(ticket)).toMatchObject({ user: 'alice' });
    vi.advanceTimersByTime(1);
    expect(await tickets.peek(ticket)).toMatchObject({ status: 401, reason: 'session_expired' });
    expect(await tickets.redeem(ticket)).toMatchObject({ status: 401, reason: 'session_expired' });
    expect(await tickets.issue({ ...alice, expiresAt: Date.now() })).toMatchObject({ status: 401 });
  });

  it('is 503 while the store is away, and the log does not quote the fault', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const tickets = new Tickets(new BrokenStore());
    const outcomes = [
      await tickets.issue(alice),
      await tickets.redeem('a'.repeat(43)),
      await tickets.peek('a'.repeat(43)),
    ];
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 503, code: 'unavailable', retryAfterSeconds: 2 });
    expect(warn).toHaveBeenCalledOnce();
    expect(JSON.stringify(warn.mock.calls)).not.toContain('password');
  });
});
