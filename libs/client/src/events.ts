import type { PublicationFrame } from '@aerie/protocol';
import { failure } from './errors.js';

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

/** Whether a name is one of the system's, not of the application's. */
export function isSystemEvent(event: string): boolean {
  return event[0] === '$';
}

/** The name; whatever else is wrong with it the server says. @throws RealtimeError `invalid` for one of the system's. */
export function checkedEvent(event: string): string {
  if (isSystemEvent(event)) throw failure('invalid', 'not an event name');
  return event;
}
