/** So many hash tags share the users: a script touches one of them, a cluster spreads them. */
export const BUCKETS = 64;

const OFFSET_BASIS = 0x81_1c_9d_c5;
const PRIME = 0x01_00_01_93;

/** The bucket of a user: FNV-1a of the UTF-8 bytes. Never changed, as nodes of several releases must agree. */
export function bucketOf(user: string): number {
  let hash = OFFSET_BASIS;
  for (const byte of Buffer.from(user)) hash = Math.imul(hash ^ byte, PRIME);
  return (hash >>> 0) % BUCKETS;
}
