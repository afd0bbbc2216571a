import type { ChainableCommander } from 'ioredis';
import { luaOf, publishOf } from './lua-source.js';
import type { RedisClient, RedisSource, Scripts } from './redis-client.js';

/**
 * `[0]`: the lease is over. Else 1, how many connections stand under the fence now, when the channel's next grace ends, and
 * how many connections a sweep removed.
 */
export type PresenceReply = [0] | [1, under: number, nextDue?: number, removed?: number];
export type DueReply = [0] | [1, nextDue: number];
export type PageReply = [version: string, more: '0' | '1', flat: string[]];

/** What each script answers; what it takes stands at the head of its file. */
interface Replies {
  presenceEnter: PresenceReply;
  presenceLeave: PresenceReply;
  presenceSweep: PresenceReply;
  presenceDue: DueReply;
  presencePage: PageReply;
  presenceIndex: 0 | 1;
  presenceOverdue: string[];
}

type Keys = readonly string[];
type Arguments = readonly (string | number)[];

export type PresenceRedis = RedisClient & {
  [Script in keyof Replies]: (keys: Keys, args: Arguments) => Promise<Replies[Script]>;
};
export type PresencePipeline = ChainableCommander & {
  [Script in keyof Replies]: (keys: Keys, args: Arguments) => unknown;
};

/** For `scripts` of an ioredis client. */
export function presenceScripts(source: RedisSource): Scripts {
  const prologue = publishOf(source) + luaOf('presence');
  return {
    presenceEnter: { lua: prologue + luaOf('presence-enter'), numberOfKeys: 7 },
    presenceLeave: { lua: prologue + luaOf('presence-leave'), numberOfKeys: 7 },
    presenceSweep: { lua: prologue + luaOf('presence-sweep'), numberOfKeys: 7 },
    presenceDue: { lua: prologue + luaOf('presence-due'), numberOfKeys: 6 },
    presencePage: { lua: luaOf('presence-page'), numberOfKeys: 3 },
    presenceIndex: { lua: luaOf('presence-index'), numberOfKeys: 1 },
    presenceOverdue: { lua: luaOf('presence-overdue'), numberOfKeys: 1 },
  };
}
