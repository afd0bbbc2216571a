import { isCluster } from './redis-client.js';
import type { ScriptedPipeline, ScriptedRedis } from './session-scripts.js';

/** Commands on many buckets of users in few writes: one to a Redis, one per bucket to a cluster. */
export class BucketPipelines {
  readonly #client: ScriptedRedis;
  readonly #pipelines = new Map<number, ScriptedPipeline>();
  readonly #places: { readonly pipeline: ScriptedPipeline; readonly index: number }[] = [];

  constructor(client: ScriptedRedis) {
    this.#client = client;
  }

  /** Takes the next command, or a chain of them of which the first one's reply counts. */
  of(bucket: number): ScriptedPipeline {
    const key = isCluster(this.#client) ? bucket : 0;
    const pipeline = this.#pipelines.get(key) ?? (this.#client.pipeline() as ScriptedPipeline);
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
