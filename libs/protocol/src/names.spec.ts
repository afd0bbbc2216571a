import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from './limits.js';
import {
  encodeSegment,
  isChannelName,
  isEventName,
  isUserChannel,
  isUserId,
  userChannel,
  userOfChannel,
  utf8Length,
} from './names.js';

describe('a channel name', () => {
  it.each(['a', 'room:7', 'user:42', 'A-Z_a.z:0@9%=+-', 'x'.repeat(200), `user:${'%00'.repeat(128)}`])(
    'may be %s',
    (name) => expect(isChannelName(name)).toBe(true),
  );

  it.each([
    '',
    'room 7',
    'room/7',
    'room:{id}',
    'röm',
    'a\n',
    '$control',
    'x'.repeat(201),
    `user:${'x'.repeat(385)}`,
    7,
    null,
  ])('may not be %s', (name) => expect(isChannelName(name)).toBe(false));

  it('holds any value as one segment', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), (value) => {
        const channel = `room:${encodeSegment(value)}`;
        fc.pre(channel.length <= LIMITS.channelBytes);
        expect(isChannelName(channel)).toBe(true);
        expect(channel.split(':').length).toBe(2);
        expect(decodeURIComponent(channel.slice('room:'.length))).toBe(value);
      }),
    );
  });
});

describe("a user's channel", () => {
  const user = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter(isUserId);

  it('is a channel name for every user id, and names that user', () => {
    fc.assert(
      fc.property(user, (id) => {
        const channel = userChannel(id);
        expect(isChannelName(channel)).toBe(true);
        expect(isUserChannel(channel)).toBe(true);
        expect(userOfChannel(channel)).toBe(id);
      }),
    );
  });

  it('is one per user, and nobody else answers to it', () => {
    fc.assert(
      fc.property(user, user, (one, other) => {
        expect(userChannel(one) === userChannel(other)).toBe(one === other);
      }),
    );
    expect(['user:%62ob', 'user:bob%', 'user:a:b', 'user:', 'room:bob'].map(userOfChannel)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('a user id', () => {
  it.each(['alice', 'ü', 'a b/c', 'x'.repeat(128)])('may be %j', (id) => expect(isUserId(id)).toBe(true));
  it.each(['', 'x'.repeat(129), 'ü'.repeat(65), 'a\u0000', 'a\u0085', '\ud800', 7, undefined])(
    'may not be %j',
    (id) => expect(isUserId(id)).toBe(false),
  );
});

describe("an application's event", () => {
  it.each(['say', 'order.status', 'ü', 'x'.repeat(128)])('may be %j', (name) =>
    expect(isEventName(name)).toBe(true),
  );
  it.each(['', '$say', 'a\tb', 'x'.repeat(129), 7])('may not be %j', (name) =>
    expect(isEventName(name)).toBe(false),
  );
});

describe('the length in UTF-8', () => {
  it('is what an encoder makes of it, unpaired surrogates included', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(fc.constantFrom('\ud800', '\udc00', 'a', 'é', '€', '😀')).map((all) => all.join('')),
        ),
        (text) => {
          expect(utf8Length(text)).toBe(Buffer.byteLength(text));
        },
      ),
      { numRuns: 500 },
    );
  });
});
