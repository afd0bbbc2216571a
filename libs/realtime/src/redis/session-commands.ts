import type { Lease } from '../sessions/node-directory.js';
import type { Entering, Leaving } from '../sessions/session-registry.js';
import type { BucketKeys, RedisKeys } from './redis-keys.js';
import type { ScriptedPipeline } from './session-scripts.js';
import type { SlotPipelines } from './slot-pipelines.js';
import { BUCKETS, bucketOf } from './user-bucket.js';

/** One that leaves, and the fence that it is looked for under. */
export interface LeavingUnder extends Omit<Leaving, 'type'> {
  readonly fence: string;
  /** It is left alone where it has moved to another fence. */
  readonly onlyThere?: boolean;
}

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

  enter(
    pipelines: SlotPipelines<ScriptedPipeline>,
    lease: Lease,
    { user, record, told, again, limit }: Entering,
  ): void {
    const keys = this.keysOf(user);
    const { leaseUntil, fence, node } = lease;
    const { max = 0, overflow = '' } = limit ?? {};
    pipelines
      .of(bucketOf(user))
      .sessionEnter(
        [keys.user(user), keys.index(fence), keys.due, keys.events, keys.unsaid, keys.held(user)],
        [
          leaseUntil,
          fence,
          node,
          user,
          record.id,
          JSON.stringify(record),
          flag(told),
          flag(again),
          this.#claimMs,
          max,
          overflow,
        ],
      );
  }

  leave(pipelines: SlotPipelines<ScriptedPipeline>, { leaseUntil }: Lease, leaving: LeavingUnder): void {
    const { user, connection, graceMs, code, reason, fence, onlyThere = false } = leaving;
    const keys = this.keysOf(user);
    pipelines
      .of(bucketOf(user))
      .sessionLeave(
        [keys.user(user), keys.index(fence), keys.due, keys.events, keys.unsaid],
        [leaseUntil, onlyThere ? fence : '', user, connection, graceMs, code, reason, this.#claimMs],
      );
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
