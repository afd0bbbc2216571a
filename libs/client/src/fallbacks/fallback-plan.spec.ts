import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FallbackPlan, type PlannedEnding } from './fallback-plan.js';
import type { TransportKind } from './transport-kind.js';
import { TransportMemory, type TransportStorage } from './transport-memory.js';

const [webSocket, ...others] = ['websocket', 'sse', 'long-polling'].map((name): TransportKind => {
  return { name, dial: () => expect.unreachable('nothing is opened here') };
});
const ADDRESS = 'example.com/ws';

function storage(): TransportStorage & { readonly items: Map<string, string> } {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

function plan(where = storage(), { address = ADDRESS, transports = others } = {}): FallbackPlan {
  const memory = new TransportMemory(address, { storage: where, preferMs: 3_600_000 });
  return new FallbackPlan([webSocket as TransportKind, ...transports], memory);
}

/** A refusal in the server's own form. */
function refusal(status: number) {
  return { status, error: { code: 'internal', message: 'no' } } as const;
}

function refuse(): never {
  throw new Error('SecurityError');
}

function failed(ending: Partial<PlannedEnding> = {}): PlannedEnding {
  return { code: 1006, reached: 'nothing', ...ending };
}

describe('which transport is next', () => {
  it('is at once another one where the server would have taken the WebSocket', () => {
    const one = plan();
    expect(one.ended(failed({ answer: { status: 426 } }))).toBe('now');
    expect(one.current.name).toBe('sse');
  });

  it('is at once another one where a WebSocket opened and was cut before it was welcomed', () => {
    const one = plan();
    expect(one.ended(failed({ reached: 'opened' }))).toBe('now');
    expect(one.current.name).toBe('sse');
  });

  it('is another one after two WebSockets in a row that nobody answered', () => {
    const one = plan();
    expect([one.ended(failed()), one.current.name]).toEqual(['stay', 'websocket']);
    expect([one.ended(failed()), one.current.name]).toEqual(['next', 'sse']);
  });

  it.each([401, 403, 404, 429, 500, 503])('is the same after a refusal: %i', (status) => {
    const one = plan();
    for (let attempt = 0; attempt < 5; attempt += 1)
      expect(one.ended(failed({ answer: refusal(status) }))).toBe('stay');
    expect(one.current.name).toBe('websocket');
  });

  it.each([400, 403, 404, 405, 501])(
    'is at once another one where a proxy answers %i by itself',
    (status) => {
      const one = plan();
      const turnedAway = failed({ answer: { status } });
      expect([one.ended(turnedAway), one.current.name]).toEqual(['now', 'sse']);
      expect([one.ended(turnedAway), one.current.name]).toEqual(['now', 'long-polling']);
    },
  );

  it.each([401, 429, 502, 503])('is the same where a proxy answers %i by itself', (status) => {
    const one = plan();
    expect(one.ended(failed({ answer: { status } }))).toBe('stay');
    expect(one.current.name).toBe('websocket');
  });

  it('is none, and the answer counts, where a proxy turns all of them away', () => {
    const one = plan();
    const turnedAway = failed({ answer: { status: 403 } });
    expect([1, 2, 3].map(() => one.ended(turnedAway))).toEqual(['now', 'now', 'stay']);
    expect(one.current.name).toBe('websocket');
  });

  it('is the WebSocket again where only the others are turned away', () => {
    const one = plan();
    one.ended(failed({ answer: { status: 426 } }));
    const turnedAway = failed({ answer: { status: 403 } });
    expect([one.ended(turnedAway), one.ended(turnedAway)]).toEqual(['now', 'next']);
    expect(one.current.name).toBe('websocket');
  });

  it('is the same without a credential, and after a close that has a code', () => {
    const one = plan();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      one.ended({ code: 1006 });
      one.ended(failed({ code: 4001, reached: 'opened' }));
    }
    expect(one.current.name).toBe('websocket');
  });

  it('is the same after a connection that was welcomed', () => {
    const one = plan();
    one.welcomed();
    for (let attempt = 0; attempt < 5; attempt += 1) one.ended(failed({ reached: 'welcomed' }));
    expect(one.current.name).toBe('websocket');
  });

  it('goes round all of them, past one that is not served, and hurries no second time', () => {
    const one = plan();
    one.ended(failed({ answer: { status: 426 } }));
    expect([one.ended(failed({ answer: { status: 404 } })), one.current.name]).toEqual([
      'now',
      'long-polling',
    ]);
    expect([one.ended(failed({ answer: { status: 404 } })), one.current.name]).toEqual(['next', 'websocket']);
  });

  it.each([401, 403, 503])('stays with a fallback that is refused: %i', (status) => {
    const one = plan();
    one.ended(failed({ answer: { status: 426 } }));
    expect(one.ended(failed({ answer: refusal(status) }))).toBe('stay');
    expect(one.current.name).toBe('sse');
  });
});

/** A connection that worked ends, and the next one begins. */
function again(one: FallbackPlan): void {
  one.welcomed();
  one.ended(failed({ reached: 'welcomed' }));
  one.begin();
}

/** The WebSocket fails, and the first fallback works. */
function proveIt(one: FallbackPlan): void {
  expect(one.current.name).toBe('websocket');
  one.ended(failed({ answer: { status: 426 } }));
  one.welcomed();
}

describe('what worked', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is remembered for the next client, per address, for a minute: a moment of 502 is no network without WebSockets', () => {
    const where = storage();
    const one = plan(where);
    proveIt(one);
    expect(plan(where).current.name).toBe('sse');
    const elsewhere = plan(where, { address: 'other.example/ws' });
    expect(elsewhere.current.name).toBe('websocket');
    again(one);
    expect(one.current.name).toBe('sse');
    vi.advanceTimersByTime(60_001);
    expect(plan(where).current.name).toBe('websocket');
    again(one);
    expect(one.current.name).toBe('websocket');
  });

  it('is remembered five times as long each time the WebSocket fails anew, at most an hour', () => {
    const where = storage();
    for (const minutes of [1, 5, 25, 60, 60]) {
      proveIt(plan(where));
      vi.advanceTimersByTime(minutes * 60_000 - 1_000);
      expect(plan(where).current.name, `${minutes} minutes`).toBe('sse');
      vi.advanceTimersByTime(2_000);
      expect(plan(where).current.name, `${minutes} minutes`).toBe('websocket');
    }
  });

  it('is remembered no longer because it works again', () => {
    const where = storage();
    proveIt(plan(where));
    const next = plan(where);
    for (let second = 0; second < 59; second += 1) {
      again(next);
      vi.advanceTimersByTime(1_000);
    }
    expect(next.current.name).toBe('sse');
    vi.advanceTimersByTime(2_000);
    again(next);
    expect(next.current.name).toBe('websocket');
    expect(plan(where).current.name).toBe('websocket');
  });

  it('is asked for when a connection begins, not when the last one ended, however that ended', () => {
    const one = plan();
    proveIt(one);
    vi.advanceTimersByTime(60_001);
    one.begin();
    expect(one.current.name).toBe('websocket');
  });

  it('is of no account between attempts of which none worked', () => {
    const one = plan();
    one.ended(failed({ answer: { status: 426 } }));
    one.begin();
    expect(one.current.name).toBe('sse');
  });

  it('is remembered no longer where the clock is set back', () => {
    const where = storage();
    proveIt(plan(where));
    vi.setSystemTime(Date.now() - 3_600_000);
    expect(plan(where).current.name).toBe('websocket');
  });

  it('counts once for clients that find it out together', () => {
    const where = storage();
    const [one, two] = [plan(where), plan(where)];
    proveIt(one);
    proveIt(two);
    vi.advanceTimersByTime(60_001);
    expect(plan(where).current.name).toBe('websocket');
  });

  it('begins with a minute again after an hour in which nobody asked', () => {
    const where = storage();
    proveIt(plan(where));
    vi.advanceTimersByTime(3_660_001);
    proveIt(plan(where));
    vi.advanceTimersByTime(60_001);
    expect(plan(where).current.name).toBe('websocket');
  });

  it('is nothing where the storage holds something else', () => {
    const where = storage();
    where.setItem('aerie:transport:example.com/ws', 'sse tomorrow');
    expect(plan(where).current.name).toBe('websocket');
  });

  it('is forgotten when a WebSocket works again', () => {
    const where = storage();
    const one = plan(where);
    one.ended(failed({ answer: { status: 426 } }));
    one.welcomed();
    const other = plan(where, { transports: [] });
    other.welcomed();
    expect(where.items.size).toBe(0);
  });

  it('costs nothing where the storage is forbidden', () => {
    const one = plan({ ...storage(), getItem: refuse, setItem: refuse, removeItem: refuse });
    one.ended(failed({ answer: { status: 426 } }));
    expect(() => one.welcomed()).not.toThrow();
    expect(one.current.name).toBe('sse');
  });
});
