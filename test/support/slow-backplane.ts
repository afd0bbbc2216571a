import {
  type Announced,
  type Announcement,
  Backplane,
  type BackplaneHealth,
  BackplaneUnavailable,
} from '../../libs/realtime/src/publishing/backplane.js';

/**
 * A backplane that answers subscriptions after `latencyMs`, and refuses while it is `away`. Commands take effect in the order
 * of their calls.
 */
export class SlowBackplane extends Backplane {
  readonly name = 'slow';
  readonly shared = true;
  latencyMs: () => number = () => 0;
  away = false;
  /** What an announcement is answered with; throws for one that fails. */
  answer: () => Announced = () => ({ duplicate: false });
  /** `+channel` and `-channel`, in order. */
  readonly calls: string[] = [];
  readonly hears = new Set<string>();
  readonly announced: Announcement[] = [];

  override async start(): Promise<void> {}

  override async announce(announcement: Announcement): Promise<Announced> {
    this.announced.push(announcement);
    if (this.away) throw new BackplaneUnavailable('away');
    return this.answer();
  }

  override async subscribe(channel: string): Promise<void> {
    this.calls.push(`+${channel}`);
    const { away } = this;
    if (!away) this.hears.add(channel);
    await new Promise((resolve) => setTimeout(resolve, this.latencyMs()));
    if (away) throw new BackplaneUnavailable('away');
  }

  override unsubscribe(channel: string): void {
    this.calls.push(`-${channel}`);
    this.hears.delete(channel);
  }

  override async probe(): Promise<BackplaneHealth> {
    return this.away ? { up: false, reason: 'away' } : { up: true, roundTripMs: 0 };
  }

  override async close(): Promise<void> {}
}
