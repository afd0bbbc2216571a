import type { PublicationFrame } from '@aerie/protocol';
import { useCallback, useEffect, useInsertionEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { ChannelState } from './channel-state.js';
import type { Channel } from './channel.js';
import type { RealtimeClient } from './client.js';
import type { EventName } from './events.js';
import type { RealtimeState } from './state.js';

/** What a component does with a channel's events, by their names. */
export type ChannelListeners<Events extends object> = {
  readonly [Name in EventName<Events>]?: (data: Events[Name], frame: PublicationFrame) => unknown;
};

/** A channel that a component is in. */
export interface UsedChannel<Events extends object> {
  readonly channel: Channel<Events>;
  readonly state: ChannelState;
}

/** Where the connection stands. Renders anew with each change; does not connect by itself. */
export function useConnectionState<Events extends object>(realtime: RealtimeClient<Events>): RealtimeState {
  const listen = useCallback((changed: () => void) => realtime.onState(changed), [realtime]);
  const read = (): RealtimeState => realtime.state;
  return useSyncExternalStore(listen, read, read);
}

/**
 * Is in a channel as long as the component is mounted, once however many components are; renders anew with each change of
 * its state. Listeners may be others at each render. The last component that goes leaves the channel as `unsubscribe()`
 * does, with what else listens to it.
 */
export function useChannel<Events extends object>(
  realtime: RealtimeClient<Events>,
  name: string,
  listeners: ChannelListeners<Events> = {},
): UsedChannel<Events> {
  const channel = useMemo(() => realtime.channel(name), [realtime, name]);
  useListeners(channel, listeners);
  useHold(realtime, channel);
  const listen = useCallback((changed: () => void) => channel.onState(changed), [channel]);
  const read = (): ChannelState => channel.state;
  return { channel, state: useSyncExternalStore(listen, read, read) };
}

/** Listens by the names that there are, to whatever function each has by then. */
function useListeners<Events extends object>(
  channel: Channel<Events>,
  listeners: ChannelListeners<Events>,
): void {
  const latest = useRef(listeners);
  useInsertionEffect(() => void (latest.current = listeners));
  // No event has a line break in its name.
  const names = Object.keys(listeners).sort().join('\n');
  useEffect(() => {
    const events = names.split('\n').filter((event) => event !== '') as EventName<Events>[];
    const unlisten = events.map((event) =>
      channel.on(event, (data, frame) => latest.current[event]?.(data, frame)),
    );
    return () => {
      for (const end of unlisten) end();
    };
  }, [channel, names]);
}

/** How many components are in each channel of a client. */
const holders = new WeakMap<object, Map<string, number>>();

function useHold<Events extends object>(realtime: RealtimeClient<Events>, channel: Channel<Events>): void {
  const listen = useCallback((changed: () => void) => realtime.onState(changed), [realtime]);
  const read = (): boolean => realtime.state.status === 'stopped';
  const stopped = useSyncExternalStore(listen, read, read);
  useEffect(() => {
    return stopped ? undefined : hold(realtime, channel);
  }, [realtime, channel, stopped]);
}

function hold<Events extends object>(realtime: RealtimeClient<Events>, channel: Channel<Events>): () => void {
  const counts = holders.get(realtime) ?? new Map<string, number>();
  holders.set(realtime, counts);
  const count = (by: number): void => void counts.set(channel.name, (counts.get(channel.name) ?? 0) + by);
  count(1);
  // `state` tells of a refusal.
  channel.subscribe().catch(() => undefined);
  return () => {
    count(-1);
    // Not at once: effects that run twice (StrictMode) and components that take over say nothing to the server.
    setTimeout(() => {
      if (counts.get(channel.name) !== 0) return;
      counts.delete(channel.name);
      void channel.unsubscribe();
    });
  };
}
