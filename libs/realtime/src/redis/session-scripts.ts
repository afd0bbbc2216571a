import type { ChainableCommander } from 'ioredis';
import { luaOf } from './lua-source.js';
import type { RedisClient, Scripts } from './redis-client.js';

/** What a change brought about; 1: nothing to tell. 0: what should leave was not there. */
export type ChangeReply = 0 | 1 | [events: string[], surplus: string[]];
/** 0: the lease is over. Else of each change. */
export type ChangesReply = 0 | ChangeReply[];
export type DueReply = [users: string[], events: string[]];
export type RenewReply = [
  state: string,
  leaseUntil: number,
  origin: string,
  nodes: number,
  dead: string[],
  sweepsDue: number,
];

/** What each script answers; what it takes stands at the head of its file. */
interface Replies {
  sessionDue: DueReply;
  sessionOffline: string[];
  sessionHold: number;
  leaseRenew: RenewReply;
  leaseSweep: string[];
  leaseList: (string | null)[];
}

type Keys = readonly string[];
type Arguments = readonly (string | number)[];

export type ScriptedRedis = RedisClient & {
  [Script in keyof Replies]: (keys: Keys, args: Arguments) => Promise<Replies[Script]>;
};
export type ScriptedPipeline = ChainableCommander & {
  [Script in keyof Replies]: (keys: Keys, args: Arguments) => unknown;
} & {
  /** Answers {@link ChangesReply}. */
  sessionChanges(numberOfKeys: number, keys: Keys, args: Arguments): unknown;
};

/** For `scripts` of an ioredis client. */
export const SESSION_SCRIPTS: Scripts = {
  sessionChanges: { lua: lua('session-changes') },
  sessionDue: { lua: lua('session-due'), numberOfKeys: 3 },
  sessionOffline: { lua: lua('session-offline'), numberOfKeys: 4 },
  sessionHold: { lua: lua('session-hold'), numberOfKeys: 2 },
  leaseRenew: { lua: lua('lease-renew'), numberOfKeys: 4 },
  leaseSweep: { lua: lua('lease-sweep'), numberOfKeys: 4 },
  leaseList: { lua: lua('lease-list'), numberOfKeys: 2 },
};

function lua(name: string): string {
  return luaOf('session-prologue') + luaOf(name);
}
