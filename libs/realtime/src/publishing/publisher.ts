import { randomBytes } from 'node:crypto';
import type { ErrorBody } from '@aerie/protocol';
import type { RealtimeMetrics } from '../metrics/meter.js';
import { type Announced, type Backplane, BackplaneUnavailable } from './backplane.js';
import type { PublishOutcome } from './outcome.js';

export interface Publication {
  /** The backplane's channel: one of the protocol, or an internal one. */
  readonly channel: string;
  readonly frame: unknown;
  readonly idempotencyKey?: string | undefined;
}

const UNAVAILABLE: ErrorBody = {
  code: 'unavailable',
  message: 'the backplane did not answer: outcome unknown, repeat with the same idempotency key',
};

/** The only way out: encodes a frame once and announces it to every node with a subscriber, this one included. */
export class Publisher {
  constructor(
    private readonly backplane: Backplane,
    private readonly metrics: RealtimeMetrics,
  ) {}

  async publish({ channel, frame, idempotencyKey = randomKey() }: Publication): Promise<PublishOutcome> {
    const bytes = Buffer.from(JSON.stringify(frame));
    try {
      const announced = await this.backplane.announce({ channel, frame: bytes, idempotencyKey });
      this.metrics.publication(announced.duplicate ? 'duplicate' : 'announced');
      return outcomeOf(channel, announced);
    } catch (error) {
      if (!(error instanceof BackplaneUnavailable)) throw error;
      this.metrics.publication('unavailable');
      return { ok: false, error: UNAVAILABLE, idempotencyKey };
    }
  }
}

function outcomeOf(channel: string, { duplicate, epoch, offset }: Announced): PublishOutcome {
  return {
    ok: true,
    ...(!channel.startsWith('$') && { channel }),
    ...(duplicate && { duplicate }),
    ...(epoch !== undefined && { epoch }),
    ...(offset !== undefined && { offset }),
  };
}

function randomKey(): string {
  return randomBytes(16).toString('base64url');
}
