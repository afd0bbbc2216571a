import type { ChainableCommander } from 'ioredis';
import { isCluster, type RedisClient } from './redis-client.js';

/** Commands on many hash tags in few writes: one to a Redis, one per tag to a cluster. */
export class SlotPipelines<Pipeline extends ChainableCommander> {
  readonly #client: RedisClient;
  readonly #pipelines = new Map<string | number, Pipeline>();
  readonly #places: { readonly pipeline: Pipeline; readonly index: number }[] = [];

  constructor(client: RedisClient) {
    this.#client = client;
  }

  /** Takes the next command, or a chain of them of which the first one's reply counts. */
  of(tag: string | number): Pipeline {
    const key = isCluster(this.#client) ? tag : 0;
    const pipeline = this.#pipelines.get(key) ?? (this.#client.pipeline() as Pipeline);
    this.#pipelines.set(key, pipeline);
    this.#places.push({ pipeline, index: pipeline.length });
    return pipeline;
  }

  /** A reply for each `of()`, in order. Each command settles for itself; the first failure is everybody's. */
  async exec<Reply>(): Promise<readonly Reply[]> {
    const pipelines = [...this.#pipelines.values()];
    const results = await Promise.all(pipelines.map((pipeline) => pipeline.exec()));
    const replies = new Map(
      pipelines.map((pipeline, index) => [pipeline, (results[index] ?? []).map(replyOf)]),
    );
    return this.#places.map(({ pipeline, index }) => replies.get(pipeline)?.[index] as Reply);
  }
}

function replyOf([error, reply]: [error: Error | null, reply: unknown]): unknown {
  if (error !== null) throw error;
  return reply;
}
