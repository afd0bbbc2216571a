import { randomFillSync } from 'node:crypto';

const POOL = Buffer.allocUnsafe(4_096);
let next = POOL.byteLength;

/**
 * So many random bytes, in base64url, for names and not for secrets. The system is asked for hundreds of them at a time: one call each costs a connection
 * more than its place in the registry.
 */
export function randomId(bytes: number): string {
  if (next + bytes > POOL.byteLength) {
    randomFillSync(POOL);
    next = 0;
  }
  const id = POOL.toString('base64url', next, next + bytes);
  next += bytes;
  return id;
}
