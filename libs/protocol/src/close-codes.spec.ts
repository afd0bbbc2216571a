import { describe, expect, it } from 'vitest';
import { CLOSE, closeAdvice } from './close-codes.js';

describe('what a client does after a close', () => {
  it.each([
    [1000, 'stop'],
    [1001, 'reconnect'],
    [1008, 'stop'],
    [1009, 'stop'],
    [1011, 'back-off'],
    [1013, 'back-off'],
    [4001, 'renew'],
    [4002, 'reconnect'],
    [4008, 'reconnect'],
    [4401, 'renew'],
    [4403, 'stop'],
    [4429, 'back-off'],
  ])('%i means %s', (code, advice) => {
    expect(closeAdvice(code)).toBe(advice);
  });

  it.each([
    [401, 'renew'],
    [403, 'stop'],
    [404, 'stop'],
    [426, 'reconnect'],
    [429, 'back-off'],
    [502, 'reconnect'],
    [503, 'back-off'],
  ])('%i in answer to an open means %s', (status, advice) => {
    expect(closeAdvice(status)).toBe(advice);
  });

  it.each([1005, 1006, 1012, 3000, 4000, 4999, Number.NaN])(
    '%d, which is in no table, means reconnect',
    (code) => {
      expect(closeAdvice(code)).toBe('reconnect');
    },
  );
});

describe('each close', () => {
  it.each(Object.entries(CLOSE))(
    '%s can travel: a code that a server may send, a reason of at most 123 bytes',
    (_name, close) => {
      const inRfc = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
      expect(inRfc.includes(close.code) || (close.code >= 4000 && close.code <= 4999)).toBe(true);
      expect(Buffer.byteLength(close.reason)).toBeLessThanOrEqual(123);
    },
  );

  it('has a reason of its own', () => {
    const reasons = Object.values(CLOSE).map(({ reason }) => reason);
    expect(new Set(reasons).size).toBe(reasons.length);
  });
});
