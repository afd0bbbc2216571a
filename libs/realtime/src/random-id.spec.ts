import { describe, expect, it } from 'vitest';
import { randomId } from './random-id.js';

describe('a random id', () => {
  it.each([1, 12, 16, 32])('has %d bytes of base64url, and comes once', (bytes) => {
    const ids = Array.from({ length: 2_000 }, () => randomId(bytes));
    expect(ids.every((id) => Buffer.from(id, 'base64url').byteLength === bytes)).toBe(true);
    expect(ids.every((id) => /^[\w-]+$/.test(id))).toBe(true);
    if (bytes > 1) expect(new Set(ids).size).toBe(ids.length);
  });
});
