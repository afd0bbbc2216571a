import { describe, expect, it } from 'vitest';
import { EventId, readEventId } from './event-id.js';

describe('the id of an event', () => {
  it('brings back what it was made of', () => {
    const id = new EventId(() => 'body.signature');
    id.move('room:7', { epoch: 'e1', offset: 3 });
    id.move('user:a%40b', { epoch: 'e2', offset: 0 });
    id.move('room:7', { epoch: 'e1', offset: 4 });
    expect(readEventId(id.toString())).toEqual({
      proof: 'body.signature',
      positions: new Map([
        ['room:7', { epoch: 'e1', offset: 4 }],
        ['user:a%40b', { epoch: 'e2', offset: 0 }],
      ]),
    });
  });

  it('keeps the places that the client came with until its channels are subscribed again', () => {
    const id = new EventId(
      () => '',
      new Map([
        ['a', { epoch: 'e', offset: 1 }],
        ['b', { epoch: 'e', offset: 2 }],
      ]),
    );
    id.move('a', { epoch: 'e', offset: 5 });
    expect(id.toString()).toBe(';a/e/5;b/e/2');
  });

  it('forgets a channel that was left', () => {
    const id = new EventId(() => '');
    id.move('room:7', { epoch: 'e', offset: 3 });
    expect([id.move('room:7', undefined), id.move('room:7', undefined), id.toString()]).toEqual([
      true,
      false,
      '',
    ]);
  });

  it.each([
    '42',
    'rubbish',
    'a.b.c',
    '.',
    ';',
    ';room:7',
    ';room:7/e',
    ';room:7/e\n/1',
    ';room:7/e/x',
    ';room:7/e/-1',
    ';room 7/e/1',
    ';room:7/e/1/2',
    'x'.repeat(20_000),
  ])('can not be read from %j', (text) => {
    expect(readEventId(text)).toBeUndefined();
  });
});
