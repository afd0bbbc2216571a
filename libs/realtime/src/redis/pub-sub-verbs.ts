import { slotOfChannel } from './hash-slot.js';
import type { RedisClient } from './redis-client.js';

/** How one connection subscribes: to everything, or to what its shard of a cluster has. */
export interface PubSubVerbs {
  /** The event of ioredis that brings a message. */
  readonly message: 'messageBuffer' | 'smessageBuffer';
  subscribe(client: RedisClient, names: readonly string[]): Promise<unknown>;
  unsubscribe(client: RedisClient, names: readonly string[]): Promise<unknown>;
  /** What may travel in one command. */
  batches(channels: readonly string[]): readonly (readonly string[])[];
}

const CHANNELS_PER_COMMAND = 500;

export const PLAIN: PubSubVerbs = {
  message: 'messageBuffer',
  subscribe: (client, names) => client.subscribe(...names),
  unsubscribe: (client, names) => client.unsubscribe(...names),
  batches: inChunks,
};

export const SHARDED: PubSubVerbs = {
  message: 'smessageBuffer',
  subscribe: (client, names) => client.ssubscribe(...names),
  unsubscribe: (client, names) => client.sunsubscribe(...names),
  batches: (channels) => [...bySlot(channels).values()].flatMap(inChunks),
};

function bySlot(channels: readonly string[]): ReadonlyMap<number, readonly string[]> {
  const slots = new Map<number, string[]>();
  for (const channel of channels) {
    const slot = slotOfChannel(channel);
    const others = slots.get(slot);
    if (others === undefined) slots.set(slot, [channel]);
    else others.push(channel);
  }
  return slots;
}

function inChunks(channels: readonly string[]): readonly (readonly string[])[] {
  const count = Math.ceil(channels.length / CHANNELS_PER_COMMAND);
  return Array.from({ length: count }, (_, chunk) =>
    channels.slice(chunk * CHANNELS_PER_COMMAND, (chunk + 1) * CHANNELS_PER_COMMAND),
  );
}
