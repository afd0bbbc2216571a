import { CLOSE } from '@aerie/protocol';
import { describe, expect, it } from 'vitest';
import { graceOf } from './grace.js';
import { sessionTimes } from './session-times.js';

const TIMES = sessionTimes({}, 30_000);

describe('the grace of a user whose connection ended', () => {
  it.each([1000, 1001, 1005, 4000])('is none after a goodbye of the client (%i)', (code) => {
    expect(graceOf({ code, reason: '' }, false, TIMES)).toBe(0);
  });

  it('is 10 s where the connection was lost', () => {
    expect(graceOf({ code: 1006, reason: '' }, false, TIMES)).toBe(10_000);
  });

  it.each([
    [4_000, 6_000],
    [40_000, 0],
  ])('runs from the last sign of life: after %i ms of silence %i ms are left', (silentMs, left) => {
    expect(graceOf({ code: 1006, reason: '', silentMs }, false, TIMES)).toBe(left);
  });

  it('is the drain window where its node gave it away', () => {
    expect(graceOf(CLOSE.goingAway, true, TIMES)).toBe(30_000);
  });

  it.each([CLOSE.slowConsumer, CLOSE.sessionEnded, CLOSE.rateLimited, CLOSE.overloaded])(
    'is 10 s where the server closed with $code, after which clients come back',
    (close) => {
      expect(graceOf(close, true, TIMES)).toBe(10_000);
    },
  );

  it.each([CLOSE.disconnected, CLOSE.replaced, CLOSE.policy, CLOSE.normal])(
    'is none where the server closed with $code, after which clients stay away',
    (close) => {
      expect(graceOf(close, true, TIMES)).toBe(0);
    },
  );
});
