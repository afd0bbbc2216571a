import type { Member, SystemEvent } from '@aerie/protocol';
import { backoffMs } from '../backoff.js';
import type { ChannelState } from '../channel-state.js';
import type { Channel } from '../channel.js';
import { createEmitter, type Unlisten } from '../emitter.js';
import { isTransient } from '../errors.js';
import type { EventName } from '../events.js';
import { fieldsOf } from '../server-frame.js';
import { createMemberSet, readSet, type ChangeKind, type PresenceChange } from './member-set.js';

/** What can be heard of a channel's members. */
export interface PresenceEvents {
  /** Once for everyone whom the first set has, this client's own user included, and for each user that comes. */
  readonly join: PresenceChange;
  /** For each user that went, found out after a reconnect as well. */
  readonly leave: PresenceChange;
  /** All members, after one or more of them changed. */
  readonly change: readonly Member[];
}

/** Who is in a channel: each user once, however many devices. */
export interface ChannelPresence {
  /**
   * Everyone who is known to be there; nobody until somebody listened and the server answered. Without a connection
   * those of before, until the next one shows who came and went meanwhile. Kept as long as somebody listens.
   */
  readonly members: readonly Member[];
  /**
   * Listens, and asks the server for the members if that was not done yet; subscribes a channel that was not asked for.
   * The channel's `unsubscribe()` takes the listener off. Where the channel has no presence `onError` hears of it, and
   * nothing is asked before somebody listens anew.
   */
  on<Name extends keyof PresenceEvents>(
    event: Name,
    listener: (value: PresenceEvents[Name]) => unknown,
  ): Unlisten;
}

const ignore = (): void => undefined;

/**
 * A conversation of its own in a channel that is subscribed: a second `$subscribe`, which only begins to watch, brings
 * the set, and changes follow it. What comes of it changes nothing of the subscription.
 */
export function createPresence<Events extends object>(channel: Channel<Events>): ChannelPresence {
  const { name } = channel;
  const { exchange, report } = channel.core;
  let events = createEmitter(report);
  let listening = false;
  /** Of this stay in the channel: the server was asked to tell who comes and goes, or does. */
  let watch: 'asked' | 'held' | undefined;
  /** It said no. Stands over reconnects. */
  let refused = false;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let endRequest: Unlisten = ignore;

  const members = createMemberSet((changes) => {
    const heard = events;
    for (const [kind, change] of changes) if (events === heard) heard.emit(kind, change);
    if (events === heard) heard.emit('change', members.all);
  });

  /** One of the client's own messages: on this connection or not at all. */
  const ask = (
    { event, ...fields }: { readonly event: SystemEvent; readonly presence?: true; readonly after?: string },
    answered: (data: unknown) => void,
    failed: (error: unknown) => void,
  ): Unlisten =>
    exchange.ask({ event, data: { channel: name, ...fields }, own: true }, { reply: answered, fail: failed });

  /** Nothing is under way, nor will be. */
  const halt = (): void => {
    clearTimeout(retry);
    endRequest();
  };

  const later = (again: () => void): void => {
    clearTimeout(retry);
    retry = setTimeout(again, backoffMs(failures++));
  };

  /** Nobody tells of changes any more. */
  const lose = (): void => {
    halt();
    watch = undefined;
    members.cut();
  };

  const reconcile = (): void => {
    if (watch || refused || events.size === 0 || channel.state.status !== 'subscribed') return;
    watch = 'asked';
    const answered = (data: unknown): void => {
      watch = 'held';
      take(fieldsOf(data).presence);
    };
    endRequest = ask({ event: '$subscribe', presence: true }, answered, (error) => {
      watch = undefined;
      if (isTransient(error)) return later(reconcile);
      refused = true;
      members.clear();
      report(error);
    });
  };

  const take = (data: unknown): void => {
    const set = readSet(data);
    if (watch !== 'held' || !set) return;
    halt();
    readOn(members.take(set));
  };

  const readOn = (after: string | undefined): void => {
    if (after === undefined) failures = 0;
    else readPage(after);
  };

  const readPage = (after: string): void => {
    const answered = (data: unknown): void =>
      readOn(members.add(readSet(data) ?? { version: 0, members: [] }));
    endRequest = ask({ event: '$presence', after }, answered, (error) => {
      if (isTransient(error)) return later(() => readPage(after));
      members.cut();
      report(error);
    });
  };

  const apply = (kind: ChangeKind, data: unknown): void => {
    if (watch !== 'held' || members.apply(kind, data)) return;
    lose();
    // Not at once: others may have the same gap.
    later(reconcile);
  };

  /** The subscription began, or ended with an error. */
  const settled = (error?: unknown): void => {
    const { status } = channel.state;
    const takenAway = error !== undefined && status === 'subscribed' && watch === 'asked';
    lose();
    // Read behind the end of the subscription, what was asked begins another. Nothing keeps this from leaving.
    if (takenAway) ask({ event: '$unsubscribe' }, ignore, ignore);
    if (error === undefined) reconcile();
    else if (status === 'idle') forget();
  };

  const entered = ({ status }: ChannelState): void => {
    if (channel.state.status === 'subscribing') lose();
    if (status === 'refused' || status === 'unsubscribed') members.clear();
  };

  const forget = (): void => {
    listening = false;
    refused = false;
    events = createEmitter(report);
    members.clear();
  };

  const listen = (): void => {
    listening = true;
    channel.listen('$join', (data: unknown) => apply('join', data));
    channel.listen('$leave', (data: unknown) => apply('leave', data));
    channel.listen('$presence', take);
    channel.listen('$state', entered);
    // Last, as it subscribes a channel that was not asked for.
    channel.on('$settled' as EventName<Events>, settled);
  };

  return {
    get members() {
      return members.all;
    },
    on: (event, listener) => {
      const unlisten = events.on(event, listener);
      refused = false;
      if (!listening) listen();
      reconcile();
      return unlisten;
    },
  };
}
