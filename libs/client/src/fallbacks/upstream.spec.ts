import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Upstream } from './upstream.js';

interface Body {
  readonly seq: number;
  readonly messages: readonly { readonly event: string }[];
}

let abort: AbortController;
let bodies: Body[];
let answers: (number | undefined)[];
const lost = vi.fn();

function upstream(): Upstream {
  const post = (body: string): Promise<number | undefined> => {
    bodies.push(JSON.parse(body) as Body);
    return Promise.resolve(answers.length > 0 ? answers.shift() : 202);
  };
  return new Upstream({ post, lost, signal: abort.signal });
}

beforeEach(() => {
  vi.useFakeTimers();
  abort = new AbortController();
  bodies = [];
  answers = [];
  lost.mockReset();
});
afterEach(() => {
  abort.abort();
  vi.useRealTimers();
});

describe('messages by POST', () => {
  it('leave together when they were sent in one turn, at most 64 in one call, counted from 1', async () => {
    const up = upstream();
    for (let count = 0; count < 70; count += 1) up.send(`{"event":"${count}"}`);
    expect(up.bufferedBytes).toBeGreaterThan(0);
    await up.idle();
    expect(bodies.map(({ seq, messages }) => [seq, messages.length])).toEqual([
      [1, 64],
      [2, 6],
    ]);
    expect(bodies.flatMap(({ messages }) => messages.map(({ event }) => Number(event)))).toEqual(
      Array.from({ length: 70 }, (_, index) => index),
    );
    expect(up.bufferedBytes).toBe(0);
  });

  it('are repeated with the same seq while nobody knows whether they arrived', async () => {
    answers = [undefined, 503, 502, 429];
    const up = upstream();
    up.send('{"event":"a"}');
    const idle = up.idle();
    await vi.advanceTimersByTimeAsync(20_000);
    await idle;
    up.send('{"event":"b"}');
    await up.idle();
    expect(bodies.map(({ seq }) => seq)).toEqual([1, 1, 1, 1, 1, 2]);
    expect(lost).not.toHaveBeenCalled();
  });

  it.each([400, 401, 403, 409, 410])('are lost with the connection after %i', async (status) => {
    answers = [status];
    const up = upstream();
    up.send('{"event":"a"}');
    await up.idle();
    expect(bodies).toHaveLength(1);
    expect(lost).toHaveBeenCalledTimes(1);
  });

  it('are given up with the connection when nobody answers for as long as a server keeps it', async () => {
    answers = Array.from({ length: 1_000 }, () => undefined);
    const up = upstream();
    up.send('{"event":"a"}');
    await vi.advanceTimersByTimeAsync(120_000);
    expect(lost).toHaveBeenCalledTimes(1);
  });

  it('leave no timer behind', async () => {
    answers = [503];
    const up = upstream();
    up.send('{"event":"a"}');
    await vi.advanceTimersByTimeAsync(0);
    abort.abort();
    expect(vi.getTimerCount()).toBe(0);
  });
});
