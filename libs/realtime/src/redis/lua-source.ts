import { readFileSync } from 'node:fs';
import { isClusterSource, type RedisSource } from './redis-client.js';

/** The text of a script in `lua/`. */
export function luaOf(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}

/** Stands before scripts that announce: what they call. In a cluster a channel is heard on its own shard only. */
export function publishOf(source: RedisSource): string {
  return `local PUBLISH = '${isClusterSource(source) ? 'SPUBLISH' : 'PUBLISH'}'\n`;
}
