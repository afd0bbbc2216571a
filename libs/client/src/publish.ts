import type { PublishReply } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import { hasCode } from './errors.js';
import type { Core } from './core.js';
import type { RequestOptions } from './exchange.js';

const MAX_ATTEMPTS = 5;

export interface PublishOptions extends RequestOptions {
  /**
   * Names this publication: the server takes a repeated one once and answers with its first position. Generated where
   * absent. Give one to repeat a publish after it failed.
   */
  readonly idempotencyKey?: string;
}

interface Publishing {
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
}

/** Publishes, and repeats with the same key while the outcome is unknown: five attempts at most. */
export async function publish(
  { line, exchange }: Core,
  publishing: Publishing,
  { idempotencyKey = randomKey(), ...options }: PublishOptions = {},
): Promise<PublishReply> {
  const message = { event: '$publish', data: { ...publishing, idempotencyKey } };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return (await exchange.request(message, options)) as PublishReply;
    } catch (error) {
      const unknown = hasCode(error, 'unavailable', 'draining', 'timeout');
      if (!unknown || attempt === MAX_ATTEMPTS || line.stopped()) throw error;
      await exchange.pause(backoffMs(attempt), options.signal);
    }
  }
}

/** Not `randomUUID`: pages without HTTPS don't have it. */
function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}
