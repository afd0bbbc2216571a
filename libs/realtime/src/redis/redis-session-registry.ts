import { randomUUID } from 'node:crypto';
import type { Lease } from '../sessions/node-directory.js';
import { NODE_LOST, type SessionEvent } from '../sessions/session-event.js';
import {
  type ClaimOptions,
  type ConnectionRecord,
  type SessionChange,
  SessionRegistry,
  type SweepStep,
  type UserSessions,
  type Written,
} from '../sessions/session-registry.js';
import { SlotPipelines } from './slot-pipelines.js';
import { isCluster, type RedisClient } from './redis-client.js';
import { orUnavailable } from './redis-fault.js';
import { RedisKeys } from './redis-keys.js';
import { type Change, SessionCommands } from './session-commands.js';
import type {
  ChangeReply,
  ChangesReply,
  DueReply,
  ScriptedPipeline,
  ScriptedRedis,
} from './session-scripts.js';
import { bucketOf } from './user-bucket.js';

export interface RedisSessionRegistryOptions {
  readonly prefix?: string;
  /** After it others may tell an event that nobody acknowledged. Milliseconds, default 30,000. */
  readonly claimMs?: number;
}

/** One user's connection, as an index has it. */
interface Indexed {
  readonly connection: string;
  readonly user: string;
}

type Fill = (pipelines: SlotPipelines<ScriptedPipeline>) => void;

const DEFAULT_CLAIM_MS = 30_000;
const SWEPT_PER_BUCKET = 8;
/** A script keeps everybody else waiting for some 10 µs a change. */
const CHANGES_PER_CALL = 100;

/** A hash per user, in 64 slots; each change is one script. The client is the caller's and is not closed here. */
export class RedisSessionRegistry extends SessionRegistry {
  readonly #client: ScriptedRedis;
  readonly #commands: SessionCommands;

  /** @param client With the scripts of `SESSION_SCRIPTS`. */
  constructor(client: RedisClient, { prefix, claimMs = DEFAULT_CLAIM_MS }: RedisSessionRegistryOptions = {}) {
    super();
    this.#client = client as ScriptedRedis;
    this.#commands = new SessionCommands(new RedisKeys(prefix), claimMs);
  }

  async write(lease: Lease, changes: readonly SessionChange[]): Promise<readonly Written[]> {
    const replies = await this.#apply(lease, changes);
    return replies.map(writtenOf);
  }

  async sweep(lease: Lease, fence: string): Promise<SweepStep> {
    const found = await this.#indexed(fence);
    const leaving = found.map((each) => ({
      type: 'leave' as const,
      ...each,
      graceMs: 0,
      ...NODE_LOST,
      fence,
    }));
    const replies = await this.#apply(lease, leaving);
    return {
      state: found.length === 0 ? 'swept' : replies.includes(undefined) ? 'refused' : 'more',
      removed: replies.filter((reply) => reply !== undefined && reply !== 0).length,
      events: replies.flatMap(eventsOf),
    };
  }

  async claimDue(lease: Lease, { listening }: ClaimOptions): Promise<readonly SessionEvent[]> {
    const due = await this.#pipelined<DueReply>((pipelines) => {
      this.#commands.due(pipelines, lease, listening);
    });
    const users = due.flatMap(([overdue]) => overdue);
    const offline = await this.#pipelined<string[]>((pipelines) => {
      for (const user of users) this.#commands.offline(pipelines, lease, user);
    });
    return [...due.flatMap(([, events]) => events), ...offline.flat()].map(eventOf);
  }

  async acknowledge(events: readonly SessionEvent[]): Promise<void> {
    await this.#pipelined((pipelines) => {
      for (const { id, user } of events) {
        const keys = this.#commands.keysOf(user);
        pipelines.of(bucketOf(user)).zrem(keys.unsaid, id).hdel(keys.events, id);
      }
    });
  }

  async ofUser(user: string): Promise<UserSessions> {
    const fields = await orUnavailable(() => this.#client.hgetall(this.#commands.keysOf(user).user(user)));
    const { $online: online, ...connections } = fields;
    const records = Object.values(connections).map(
      (entry) => JSON.parse(entry.slice(entry.indexOf('{'))) as ConnectionRecord,
    );
    return { online: online !== undefined, connections: records };
  }

  async hold(user: string, max: number, holdMs: number): Promise<boolean> {
    const keys = this.#commands.keysOf(user);
    const held = orUnavailable(() =>
      this.#client.sessionHold([keys.user(user), keys.held(user)], [max, holdMs, randomUUID()]),
    );
    return (await held) === 1;
  }

  async #indexed(fence: string): Promise<readonly Indexed[]> {
    const members = await this.#pipelined<string[]>((pipelines) => {
      for (const [bucket, keys] of this.#commands.buckets.entries())
        pipelines.of(bucket).srandmember(keys.index(fence), SWEPT_PER_BUCKET);
    });
    return members.flat().map((member) => {
      const space = member.indexOf(' ');
      return { connection: member.slice(0, space), user: member.slice(space + 1) };
    });
  }

  /** Of each change what came of it; undefined where the lease was over. */
  async #apply(lease: Lease, changes: readonly Change[]): Promise<readonly (ChangeReply | undefined)[]> {
    const calls = callsOf(changes, isCluster(this.#client));
    const replies = await this.#pipelined<ChangesReply>((pipelines) => {
      for (const call of calls) this.#commands.changes(pipelines, lease, call);
    });
    const answers = new Map<Change, ChangeReply>();
    for (const [index, call] of calls.entries()) {
      const reply = replies[index];
      for (const [place, change] of call.entries()) {
        const answer = Array.isArray(reply) ? reply[place] : undefined;
        if (answer !== undefined) answers.set(change, answer);
      }
    }
    return changes.map((change) => answers.get(change));
  }

  #pipelined<Reply>(fill: Fill): Promise<readonly Reply[]> {
    const pipelines = new SlotPipelines<ScriptedPipeline>(this.#client);
    fill(pipelines);
    return orUnavailable(() => pipelines.exec<Reply>());
  }
}

/** Changes that travel in one script, in order: of a cluster those of one bucket, whose keys lie together. */
function callsOf(changes: readonly Change[], apart: boolean): readonly (readonly Change[])[] {
  const groups = apart ? Map.groupBy(changes, ({ user }) => bucketOf(user)).values() : [changes];
  return [...groups].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / CHANGES_PER_CALL) }, (_, call) =>
      group.slice(call * CHANGES_PER_CALL, (call + 1) * CHANGES_PER_CALL),
    ),
  );
}

function writtenOf(reply: ChangeReply | undefined): Written {
  if (reply === undefined) return NOT_WRITTEN;
  return Array.isArray(reply) ? { ok: true, events: eventsOf(reply), surplus: reply[1] } : NOTHING_TO_TELL;
}

const NOT_WRITTEN: Written = { ok: false };
const NOTHING_TO_TELL: Written = { ok: true, events: [], surplus: [] };

function eventsOf(reply: ChangeReply | undefined): readonly SessionEvent[] {
  return Array.isArray(reply) ? reply[0].map(eventOf) : [];
}

function eventOf(text: string): SessionEvent {
  return JSON.parse(text) as SessionEvent;
}
