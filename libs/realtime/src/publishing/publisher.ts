import type { ErrorBody } from '@aerie/protocol';
import type { ChannelHistories } from '../history/channel-histories.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import { type Announced, type Announcement, type Backplane, BackplaneUnavailable } from './backplane.js';
import { randomId } from '../random-id.js';
import type { PublishOutcome } from './outcome.js';

const KEY_BYTES = 16;

export interface Publication {
  /** The backplane's channel: one of the protocol, or an internal one. */
  readonly channel: string;
  readonly frame: unknown;
  readonly idempotencyKey?: string | undefined;
  /** A direct event: in no history, whatever its channel has. */
  readonly direct?: boolean;
}

const UNAVAILABLE: ErrorBody = {
  code: 'unavailable',
  message: 'the backplane did not answer: outcome unknown, repeat with the same idempotency key',
};

/**
 * The only way out: encodes a frame once and announces it to every node with a subscriber, this one included; in a channel
 * with a history by appending it there.
 */
export class Publisher {
  constructor(
    private readonly backplane: Backplane,
    private readonly metrics: RealtimeMetrics,
    private readonly histories?: ChannelHistories,
  ) {}

  async publish(publication: Publication): Promise<PublishOutcome> {
    const { channel, idempotencyKey = randomId(KEY_BYTES), direct = false } = publication;
    const frame = Buffer.from(JSON.stringify(publication.frame));
    try {
      const announced = await this.#announce({ channel, frame, idempotencyKey }, direct);
      this.metrics.publication(announced.duplicate ? 'duplicate' : 'announced');
      return outcomeOf(channel, announced);
    } catch (error) {
      if (!(error instanceof BackplaneUnavailable)) throw error;
      this.metrics.publication('unavailable');
      return { ok: false, error: UNAVAILABLE, idempotencyKey };
    }
  }

  #announce(announcement: Announcement, direct: boolean): Promise<Announced> {
    const limits = direct ? undefined : this.histories?.limitsOf(announcement.channel);
    if (limits === undefined || this.histories === undefined) return this.backplane.announce(announcement);
    return this.histories.store.append({ ...announcement, limits });
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
