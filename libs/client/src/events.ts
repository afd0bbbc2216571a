import type { PublicationFrame } from '@aerie/protocol';

/** The names in a map of events, `{ 'order.status': OrderStatus }`, that server and client share. */
export type EventName<Events extends object> = keyof Events & string;

/** A publication whose `event` tells what its `data` is: one of the map's. */
export type Publication<Events extends object = Record<string, unknown>> = {
  readonly [Name in EventName<Events>]: PublicationFrame & {
    readonly event: Name;
    readonly data: Events[Name];
  };
}[EventName<Events>];

/** Gives up early: the promise rejects, or the iteration throws, with the signal's reason. What has left is not taken back. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}
