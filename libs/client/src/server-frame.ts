import type {
  CloseNotice,
  ErrorBody,
  MessageId,
  Position,
  PresenceNotice,
  PresenceSet,
  ReconnectNotice,
  SubscribeReply,
  Welcome,
} from '@aerie/protocol';
import type { Codec } from './codec.js';

/**
 * One frame of the server, as it came: a reply or an error has an `id`, a publication a `channel`, the system's own an event
 * with a `$`. The server is trusted to keep to the protocol; fields that this version doesn't know stay where they are.
 */
export interface ServerFrame {
  readonly id?: MessageId;
  readonly error?: ErrorBody;
  readonly event?: string;
  readonly channel?: string;
  readonly data?: unknown;
  readonly more?: boolean;
  readonly done?: boolean;
}

/** What the client looks at in the data of such frames, and in replies. */
export type Fields = Partial<
  Welcome &
    SubscribeReply &
    PresenceSet &
    PresenceNotice &
    ReconnectNotice &
    CloseNotice & { readonly error: ErrorBody }
>;

/** Reads one frame; for anything that is none, one without fields, which nobody obeys. */
export function readFrame(wire: unknown, codec: Codec): ServerFrame {
  try {
    return Object(codec.decode(wire)) as ServerFrame;
  } catch {
    return {};
  }
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Fields {
  return Object(value) as Fields;
}

/** A position among other fields. */
export function positionOf({ epoch, offset }: Partial<Position>): Position | undefined {
  return epoch === undefined ? undefined : { epoch, offset: offset ?? 0 };
}
