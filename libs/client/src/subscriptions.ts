import type { PublicationFrame, SystemEvent } from '@aerie/protocol';
import { fieldsOf, readPosition, text } from './server-frame.js';
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

  /** What the server says of a channel; of one that isn't here, it means nothing. */
  obey(event: SystemEvent, data: unknown): void {
    const { channel, reason } = fieldsOf(data);
    const subscription = this.#byChannel.get(text(channel));
    if (event === '$resync') subscription?.resync(text(reason), readPosition(data));
    else if (event === '$unsubscribed') subscription?.revoked(text(reason));
    else if (event === '$presence') subscription?.presence?.take(data);
    else if (event === '$join') subscription?.presence?.apply('join', data);
    else if (event === '$leave') subscription?.presence?.apply('leave', data);
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
}
