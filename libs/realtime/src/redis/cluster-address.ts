import type { Redis } from 'ioredis';

/** A node as the slots of a cluster's client name it. */
export function addressOf({ options: { host, port } }: Redis): string {
  return `${host}:${port}`;
}
