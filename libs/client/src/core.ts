import type { PublicationFrame } from '@aerie/protocol';
import { type Connection, createConnection } from './connection.js';
import { createEmitter, type Emitter, type Report } from './emitter.js';
import { isSystemEvent } from './events.js';
import { createExchange, type Exchange } from './exchange.js';
import { setupOf, type RealtimeOptions } from './options.js';
import { fieldsOf, type ServerFrame } from './server-frame.js';
import { renewSession } from './session-renewal.js';

/** The parts of one client, which its channels share and the entries beside it build on. */
export interface Core {
  readonly line: Connection;
  readonly exchange: Exchange;
  readonly report: Report;
  /** What the server sends to this user, by name; `$state` of the connection. */
  readonly events: Emitter;
  /** The channels that have to hear what comes, as they are wanted, held or listened to. */
  readonly active: Map<string, ChannelEars>;
}

/** What a channel has to hear. */
export interface ChannelEars {
  /** There is a new connection. */
  opened(): void;
  /** The connection is gone, and what the server held with it. */
  cut(): void;
  /** The client stops: no timer is left. */
  stop(): void;
  /** A publication came. */
  take(frame: PublicationFrame): void;
  /** The server says something of it. */
  obey(event: string, data: unknown): void;
}

/** @throws TypeError for something that is no address. */
export function createCore(url: string | URL, options: RealtimeOptions, report: Report): Core {
  const setup = setupOf(url, options, report);
  const { credentials, codec } = setup;
  const events = createEmitter(report);
  const active = new Map<string, ChannelEars>();

  const tellAll = (what: 'opened' | 'cut' | 'stop'): void => {
    for (const one of [exchange, ...active.values()]) one[what]();
  };

  const renew = async (): Promise<number | null> => {
    const data = credentials.authData(await credentials.obtain());
    return fieldsOf(await exchange.request({ event: '$auth', data, own: true })).expiresAt ?? null;
  };

  const receive = (frame: ServerFrame): void => {
    const { event, channel, data } = frame;
    if (frame.id !== undefined || frame.error) exchange.receive(frame);
    else if (!event) return;
    else if (isSystemEvent(event)) active.get(fieldsOf(data).channel ?? '')?.obey(event, data);
    else {
      if (channel) active.get(channel)?.take(frame as PublicationFrame);
      if (!channel || Object.hasOwn(line.welcome()?.channels ?? {}, channel)) events.emit(event, data, frame);
    }
  };

  const line = createConnection(setup, {
    open: (welcome) => {
      if (credentials.via) renewSession(welcome, core, renew).catch(report);
      tellAll('opened');
      // Behind the subscriptions, so that a queued publish comes back to its sender like to anyone.
      exchange.flush();
    },
    frame: receive,
    cut: () => tellAll('cut'),
    stopped: () => tellAll('stop'),
    state: (state) => events.emit('$state', state),
  });
  const exchange = createExchange(line, codec, report);
  const core = { line, exchange, report, events, active };
  return core;
}
