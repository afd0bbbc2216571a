import type { Lease } from '../sessions/node-directory.js';
import type { Entering, Leaving } from '../sessions/session-registry.js';
import type { BucketKeys, RedisKeys } from './redis-keys.js';
import type { ScriptedPipeline } from './session-scripts.js';
import type { SlotPipelines } from './slot-pipelines.js';
import { BUCKETS, bucketOf } from './user-bucket.js';

/** One that leaves, and the fence that it is looked for under. */
export interface LeavingUnder extends Leaving {
  readonly fence: string;
}

/** A leaving without a fence is of the writer's own node, which knows. */
export type Change = Entering | Leaving | LeavingUnder;

/** An event that nobody acknowledges for so long is given up. */
const EVENT_LIFE_MS = 3_600_000;
const DUE_PER_BUCKET = 50;

/** Puts the scripts' commands into pipelines: which keys and arguments each takes. */
export class SessionCommands {
  readonly buckets: readonly BucketKeys[];
  readonly #claimMs: number;

  /** @param claimMs After it others may tell an event that nobody acknowledged. */
  constructor(keys: RedisKeys, claimMs: number) {
    this.buckets = Array.from({ length: BUCKETS }, (_, bucket) => keys.sessions(bucket));
    this.#claimMs = claimMs;
  }

  keysOf(user: string): BucketKeys {
    const keys = this.buckets[bucketOf(user)];
    if (keys === undefined) throw new Error('no such bucket');
    return keys;
  }

  /** All of one bucket where the store is a cluster. */
  changes(pipelines: SlotPipelines<ScriptedPipeline>, lease: Lease, changes: readonly Change[]): void {
    const [first] = changes;
    if (first === undefined) return;
    const { leaseUntil, fence, node } = lease;
    const keys = changes.flatMap((change) => this.#keysOfChange(change, fence));
    const args = changes.flatMap(argumentsOf);
    pipelines
      .of(bucketOf(first.user))
      .sessionChanges(keys.length, keys, [leaseUntil, fence, node, this.#claimMs, ...args]);
  }

  #keysOfChange(change: Change, own: string): readonly string[] {
    const { user } = change;
    const keys = this.keysOf(user);
    const index = keys.index('fence' in change ? change.fence : own);
    return [keys.user(user), index, keys.due, keys.events, keys.unsaid, keys.held(user)];
  }

  offline(pipelines: SlotPipelines<ScriptedPipeline>, { leaseUntil }: Lease, user: string): void {
    const keys = this.keysOf(user);
    pipelines
      .of(bucketOf(user))
      .sessionOffline(
        [keys.user(user), keys.due, keys.events, keys.unsaid],
        [leaseUntil, user, this.#claimMs],
      );
  }

  /** In every bucket. */
  due(pipelines: SlotPipelines<ScriptedPipeline>, { leaseUntil }: Lease, listening: boolean): void {
    for (const [bucket, { due, events, unsaid }] of this.buckets.entries())
      pipelines
        .of(bucket)
        .sessionDue(
          [due, events, unsaid],
          [leaseUntil, flag(listening), this.#claimMs, EVENT_LIFE_MS, DUE_PER_BUCKET],
        );
  }
}

function flag(value: boolean): string {
  return value ? '1' : '0';
}

function argumentsOf(change: Change): readonly (string | number)[] {
  if (change.type === 'leave') {
    const { user, connection, graceMs, code, reason } = change;
    return ['leave', user, connection, graceMs, code, reason, 'fence' in change ? change.fence : '', ''];
  }
  const { user, record, told, again, limit } = change;
  const { max = 0, overflow = '' } = limit ?? {};
  return ['enter', user, record.id, JSON.stringify(record), flag(told), flag(again), max, overflow];
}
