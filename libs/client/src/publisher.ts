import type { PublishReply } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import { RealtimeError } from './errors.js';
import type { Exchange, RequestOptions } from './exchange.js';
import { sleep } from './sleep.js';

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

/** Publishes, and repeats with the same key while the outcome is unknown: at most five times. */
export class Publisher {
  readonly #exchange: Exchange;
  #stopped = new AbortController();

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  async publish(publishing: Publishing, options: PublishOptions = {}): Promise<PublishReply> {
    const data = { ...publishing, idempotencyKey: options.idempotencyKey ?? randomKey() };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await this.#exchange.request({ event: '$publish', data }, options)) as PublishReply;
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || this.#exchange.stopped || !isOutcomeUnknown(error)) throw error;
        const signals = [this.#stopped.signal, options.signal].filter((signal) => signal !== undefined);
        await sleep(backoffMs(attempt), AbortSignal.any(signals));
      }
    }
  }

  /** Ends every pause; the repeated requests then fail by themselves. */
  stop(): void {
    this.#stopped.abort();
    this.#stopped = new AbortController();
  }
}

function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof RealtimeError && ['unavailable', 'draining', 'timeout'].includes(error.code);
}

/** Not `randomUUID`: pages without HTTPS don't have it. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
