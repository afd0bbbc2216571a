import { isPosition, type PublicationFrame } from '@aerie/protocol';
import { isFields } from './server-frame.js';
import { Subscription, type SubscriptionPorts } from './subscription.js';

/** All channels that this client has or wants, by name. */
export class Subscriptions {
  readonly #byChannel = new Map<string, Subscription>();
  readonly #ports: SubscriptionPorts;

  constructor(ports: Omit<SubscriptionPorts, 'released'>) {
    this.#ports = { ...ports, released: ({ channel }) => void this.#byChannel.delete(channel) };
  }

  find(channel: string): Subscription | undefined {
    return this.#byChannel.get(channel);
  }

  obtain(channel: string): Subscription {
    const known = this.#byChannel.get(channel);
    if (known) return known;
    const subscription = new Subscription(channel, this.#ports);
    this.#byChannel.set(channel, subscription);
    return subscription;
  }

  publish(frame: PublicationFrame): void {
    this.#byChannel.get(frame.channel)?.publish(frame);
  }

  /** `$resync`. */
  resync(data: unknown): void {
    this.#named(data)?.resync(
      reasonIn(data),
      isPosition(data) ? { epoch: data.epoch, offset: data.offset } : undefined,
    );
  }

  /** `$unsubscribed`. */
  revoked(data: unknown): void {
    this.#named(data)?.revoked(reasonIn(data));
  }

  /** `$presence`. */
  presence(data: unknown): void {
    this.#named(data)?.presence?.take(data);
  }

  /** `$join` and `$leave`. */
  changed(kind: 'join' | 'leave', data: unknown): void {
    this.#named(data)?.presence?.apply(kind, data);
  }

  opened(): void {
    for (const subscription of this.#byChannel.values()) subscription.opened();
  }

  cut(): void {
    for (const subscription of this.#byChannel.values()) subscription.cut();
  }

  stop(): void {
    for (const subscription of this.#byChannel.values()) subscription.stop();
  }

  #named(data: unknown): Subscription | undefined {
    const channel = isFields(data) ? data['channel'] : undefined;
    return typeof channel === 'string' ? this.#byChannel.get(channel) : undefined;
  }
}

function reasonIn(data: unknown): string {
  return isFields(data) && typeof data['reason'] === 'string' ? data['reason'] : '';
}
