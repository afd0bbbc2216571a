import { describe, expect, it } from 'vitest';
import { ERROR_STATUS, errorCodeOfStatus, isErrorCode } from './error-codes.js';

describe('error codes', () => {
  it.each([
    [400, 'invalid'],
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [409, 'conflict'],
    [413, 'too_large'],
    [418, 'invalid'],
    [422, 'invalid'],
    [429, 'rate_limited'],
    [500, 'internal'],
    [502, 'internal'],
    [503, 'unavailable'],
    [504, 'timeout'],
  ] as const)('%i is %s', (status, code) => {
    expect(errorCodeOfStatus(status)).toBe(code);
  });

  it('are known by name, and nothing of Object.prototype is one', () => {
    for (const code of Object.keys(ERROR_STATUS)) expect(isErrorCode(code)).toBe(true);
    for (const other of ['toString', '__proto__', '', 7, null]) expect(isErrorCode(other)).toBe(false);
  });
});
