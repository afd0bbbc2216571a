import {
  type PresenceChange,
  type PresencePage,
  type PresenceRange,
  PresenceStore,
  type PresenceSweep,
} from '../presence/presence-store.js';
import type { Lease } from '../sessions/node-directory.js';
import type { DueReply, PresencePipeline, PresenceRedis, PresenceReply } from './presence-scripts.js';
import type { RedisClient } from './redis-client.js';
import { orUnavailable } from './redis-fault.js';
import { type PresenceIndexKeys, type PresenceKeys, RedisKeys } from './redis-keys.js';
import { SlotPipelines } from './slot-pipelines.js';

/** The tag of the index' own slot: no channel has a space. */
const INDEX = 'the index';
const SWEPT_CHANNELS = 50;
const SWEPT_PER_CHANNEL = 100;
const DUE_NOTES = 200;
const DUE_PER_CHANNEL = 500;

/** What a script said of a channel. */
interface Said {
  readonly channel: string;
  readonly reply: PresenceReply;
}

/**
 * Members per channel, in the channel's slot; each change is one script. Where to sweep, and where a grace ends, stands in an
 * index of its own slot: a channel is noted there before anything stands under a fence, and taken off after the last of it is
 * gone, so that whoever dies in between leaves too much there and never too little. The client is the caller's.
 */
export class RedisPresenceStore extends PresenceStore {
  readonly #client: PresenceRedis;
  readonly #keys: RedisKeys;
  readonly #index: PresenceIndexKeys;

  /** @param client With the scripts of `presenceScripts`. */
  constructor(client: RedisClient, prefix?: string) {
    super();
    this.#client = client as PresenceRedis;
    this.#keys = new RedisKeys(prefix);
    this.#index = this.#keys.presenceIndex;
  }

  async write(lease: Lease, changes: readonly PresenceChange[]): Promise<readonly boolean[]> {
    const entered = changes.filter(({ type }) => type === 'enter').map(({ channel }) => channel);
    if (entered.length > 0 && !(await this.#note(lease, entered))) return changes.map(() => false);
    const said = await this.#each(changes, (pipeline, change) => this.#apply(pipeline, lease, change));
    await this.#keepIndex(lease.fence, said);
    return said.map(({ reply }) => reply[0] === 1);
  }

  async sweep(lease: Lease, fence: string): Promise<PresenceSweep> {
    const { channels } = this.#index;
    const found = await orUnavailable(() => this.#client.srandmember(channels(fence), SWEPT_CHANNELS));
    if (found.length === 0) return { state: 'swept', removed: 0 };
    const targets = found.map((channel) => ({ channel }));
    const said = await this.#each(targets, (pipeline, { channel }) =>
      pipeline.presenceSweep(this.#keysOf(channel, fence), [
        lease.leaseUntil,
        channel,
        fence,
        SWEPT_PER_CHANNEL,
      ]),
    );
    await this.#keepIndex(fence, said);
    const removed = said.reduce((sum, { reply }) => sum + (reply[3] ?? 0), 0);
    return { state: said.some(({ reply }) => reply[0] === 0) ? 'refused' : 'more', removed };
  }

  async endGraces(lease: Lease): Promise<void> {
    const { due } = this.#index;
    for (;;) {
      const notes = await orUnavailable(() => this.#client.presenceOverdue([due], [DUE_NOTES]));
      const replies = await this.#pipelined<DueReply>((pipelines) => {
        for (const note of notes) {
          const channel = channelOfNote(note);
          const keys = ownKeys(this.#keys.presence(channel));
          pipelines.of(channel).presenceDue(keys, [lease.leaseUntil, channel, DUE_PER_CHANNEL]);
        }
      });
      if (replies.some(([ok]) => ok === 0)) return;
      await this.#pipelined((pipelines) => {
        for (const [index, note] of notes.entries()) {
          const next = noteOf(channelOfNote(note), replies[index]?.[1]);
          if (next !== undefined) pipelines.of(INDEX).zadd(due, ...next);
          if (next?.[1] !== note) pipelines.of(INDEX).zrem(due, note);
        }
      });
      if (notes.length < DUE_NOTES) return;
    }
  }

  async page(channel: string, { after, limit }: PresenceRange): Promise<PresencePage> {
    const { counts, users, version } = this.#keys.presence(channel);
    const from = after === undefined ? '-' : `(${after}`;
    const [at, more, flat] = await orUnavailable(() =>
      this.#client.presencePage([counts, users, version], [from, limit]),
    );
    const members = Array.from({ length: flat.length / 2 }, (_, index) => ({
      user: flat[2 * index] ?? '',
      connections: Number(flat[2 * index + 1]),
    }));
    return { version: Number(at), members, more: more === '1' };
  }

  async #note({ fence, leaseUntil }: Lease, channels: readonly string[]): Promise<boolean> {
    const key = this.#index.channels(fence);
    const noted = orUnavailable(() => this.#client.presenceIndex([key], [leaseUntil, ...new Set(channels)]));
    return (await noted) === 1;
  }

  #apply(pipeline: PresencePipeline, { fence, leaseUntil }: Lease, change: PresenceChange): void {
    const { channel, connection } = change;
    const keys = this.#keysOf(channel, fence);
    if (change.type === 'enter')
      pipeline.presenceEnter(keys, [leaseUntil, channel, fence, connection, change.user]);
    else pipeline.presenceLeave(keys, [leaseUntil, channel, connection, change.graceMs]);
  }

  /** Notes where a grace ends before it takes the channels off in which nothing is left. */
  async #keepIndex(fence: string, said: readonly Said[]): Promise<void> {
    const { due, channels } = this.#index;
    const last = new Map(said.filter(({ reply }) => reply[0] === 1).map((one) => [one.channel, one.reply]));
    await this.#pipelined((pipelines) => {
      for (const [channel, reply] of last) {
        const [, under, nextDue] = reply;
        const note = noteOf(channel, nextDue);
        if (note !== undefined) pipelines.of(INDEX).zadd(due, ...note);
        if (under === 0) pipelines.of(INDEX).srem(channels(fence), channel);
      }
    });
  }

  #keysOf(channel: string, fence: string): readonly string[] {
    const keys = this.#keys.presence(channel);
    return [...ownKeys(keys), keys.index(fence)];
  }

  async #each<Target extends { readonly channel: string }>(
    targets: readonly Target[],
    add: (pipeline: PresencePipeline, target: Target) => void,
  ): Promise<readonly Said[]> {
    const replies = await this.#pipelined<PresenceReply>((pipelines) => {
      for (const target of targets) add(pipelines.of(target.channel), target);
    });
    return replies.map((reply, index) => ({ channel: targets[index]?.channel ?? '', reply }));
  }

  #pipelined<Reply>(fill: (pipelines: SlotPipelines<PresencePipeline>) => void): Promise<readonly Reply[]> {
    const pipelines = new SlotPipelines<PresencePipeline>(this.#client);
    fill(pipelines);
    return orUnavailable(() => pipelines.exec<Reply>());
  }
}

function ownKeys({ entries, counts, users, due, version, live }: PresenceKeys): readonly string[] {
  return [entries, counts, users, due, version, live];
}

/** That a grace ends in the channel, and the second in which to look. */
function noteOf(channel: string, dueAt = 0): readonly [second: number, note: string] | undefined {
  const second = Math.ceil(dueAt / 1_000);
  return second === 0 ? undefined : [second, `${second} ${channel}`];
}

function channelOfNote(note: string): string {
  return note.slice(note.indexOf(' ') + 1);
}
