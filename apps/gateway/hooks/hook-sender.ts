import { HookFailure, readAnswer, type HookAnswer } from './hook-answer.js';
import { signedHeaders, type HookEvent } from './hook-event.js';

export interface HookSenderOptions {
  readonly url: string;
  /** Signs every call. Secret. */
  readonly secret: string;
  /** For the whole call, its answer included. Default 5,000. */
  readonly timeoutMs?: number;
}

/** One signed POST. Failures are values; nothing of the call or its answer gets into them. */
export class HookSender {
  readonly #options: Required<HookSenderOptions>;

  constructor(options: HookSenderOptions) {
    this.#options = { timeoutMs: 5_000, ...options };
  }

  async post(event: HookEvent): Promise<HookAnswer | HookFailure> {
    const { url, secret, timeoutMs } = this.#options;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const headers = signedHeaders(event, secret);
      return await readAnswer(
        await fetch(url, { method: 'POST', headers, body: event.body, redirect: 'error', signal }),
      );
    } catch (error) {
      return new HookFailure(signal.aborted ? `no answer within ${timeoutMs} ms` : networkReason(error));
    }
  }
}

function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : 'network error';
}
