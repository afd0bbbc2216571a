import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Channel } from './channel.js';
import { RealtimeClient } from './client.js';
import type { Publication } from './events.js';

interface Events {
  say: { text: string };
  draw: { x: number };
}

const realtime = new RealtimeClient<Events>('ws://127.0.0.1/ws');
const room = realtime.channel('room:7');

describe('the types of events', () => {
  it('go from the one map to listeners, publishing and publications', () => {
    type Said = Publication<Events>;
    expectTypeOf<Extract<Said, { event: 'say' }>['data']>().toEqualTypeOf<{ text: string }>();
    expectTypeOf<Said['event']>().toEqualTypeOf<'say' | 'draw'>();
    expectTypeOf<Parameters<Parameters<typeof room.on<'draw'>>[1]>[0]>().toEqualTypeOf<{ x: number }>();
    expectTypeOf(room.publish<'say'>)
      .parameter(1)
      .toEqualTypeOf<{ text: string }>();
    // @ts-expect-error -- no such event
    const unknown: Parameters<typeof room.on>[0] = 'shout';
    expect(unknown).toBe('shout');
  });

  it('may be a channel’s own, and anything where there is no map', () => {
    const orders = realtime.channel<{ moved: { id: string } }>('orders');
    expectTypeOf(orders).toEqualTypeOf<Channel<{ moved: { id: string } }>>();
    const untyped = new RealtimeClient('ws://127.0.0.1/ws').channel('any');
    expectTypeOf<Parameters<typeof untyped.on>[0]>().toEqualTypeOf<string>();
    expectTypeOf<Publication['data']>().toEqualTypeOf<unknown>();
  });
});
