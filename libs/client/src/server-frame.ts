import {
  isErrorCode,
  isPosition,
  type DirectFrame,
  type ErrorBody,
  type ErrorCode,
  type HistoryReply,
  type MessageId,
  type Position,
  type PublicationFrame,
  type SubscribeReply,
  type SystemEvent,
  type Welcome,
} from '@aerie/protocol';
import { type Codec, JSON_CODEC } from './codec.js';

/** A frame of the server, told apart. */
export type ServerFrame =
  | {
      readonly kind: 'reply';
      readonly id: MessageId;
      readonly data: unknown;
      /** No further reply comes. */
      readonly last: boolean;
    }
  | { readonly kind: 'error'; readonly id: MessageId | undefined; readonly error: ErrorBody }
  | { readonly kind: 'system'; readonly event: SystemEvent; readonly data: unknown }
  | { readonly kind: 'publication'; readonly frame: PublicationFrame }
  | { readonly kind: 'direct'; readonly frame: DirectFrame };

type Fields = Readonly<Record<string, unknown>>;

/** Reads one frame; undefined for anything that is none, which the client ignores. */
export function readFrame(wire: unknown, { decode } = JSON_CODEC): ServerFrame | undefined {
  const fields = decoded(wire, decode);
  const { id, error, event, data, more, done } = fields;
  const known = isId(id) ? id : undefined;
  if (isFields(error)) return { kind: 'error', id: known, error: readError(error) };
  if (known !== undefined) return { kind: 'reply', id: known, data, last: more !== true || done === true };
  if (typeof event !== 'string') return undefined;
  // One that this version doesn't know is ignored further on.
  if (event.startsWith('$')) return { kind: 'system', event: event as SystemEvent, data };
  const frame = readPublication(fields);
  return frame ? { kind: 'publication', frame } : { kind: 'direct', frame: readDirect(event, fields) };
}

function readDirect(event: string, { data, notification }: Fields): DirectFrame {
  return { event, data, ...(typeof notification === 'string' && { notification }) };
}

/** Reads a publication, live or out of the reply to `$subscribe`. */
export function readPublication(value: unknown): PublicationFrame | undefined {
  const { event, channel, data, offset, from } = fieldsOf(value);
  if (typeof event !== 'string' || typeof channel !== 'string') return undefined;
  const position = typeof offset === 'number' && { offset };
  return { event, channel, data, ...position, ...(typeof from === 'string' && { from }) };
}

/** Reads an error; a code that this version doesn't know becomes the fallback. */
export function readError({ code, message, details }: Fields, fallback: ErrorCode = 'internal'): ErrorBody {
  const known = isErrorCode(code) ? code : fallback;
  return { code: known, message: text(message, known), ...(details !== undefined && { details }) };
}

/** Reads `$welcome`, with the protocol's defaults for what is missing. */
export function readWelcome(data: unknown): Welcome {
  const { expiresAt, heartbeat, maxFrameBytes, transport, channels, ...fields } = fieldsOf(data);
  const { intervalMs, timeoutMs } = fieldsOf(heartbeat);
  return {
    connection: text(fields['connection']),
    user: text(fields['user']),
    node: text(fields['node']),
    expiresAt: typeof expiresAt === 'number' ? expiresAt : null,
    heartbeat: { intervalMs: positive(intervalMs, 30_000), timeoutMs: positive(timeoutMs, 10_000) },
    maxFrameBytes: positive(maxFrameBytes, 65_536),
    transport: text(transport, 'websocket'),
    channels: fieldsOf(channels) as Welcome['channels'],
  };
}

export function text(value: unknown, fallback = ''): string {
  return typeof value === 'string' ? value : fallback;
}

function positive(value: unknown, fallback: number): number {
  return typeof value === 'number' && value > 0 ? value : fallback;
}

function decoded(wire: unknown, decode: Codec['decode']): Fields {
  try {
    return fieldsOf(decode(wire));
  } catch {
    return {};
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function isId(value: unknown): value is MessageId {
  return typeof value === 'number' || typeof value === 'string';
}

interface ReadSubscribeReply {
  readonly reply: SubscribeReply;
  readonly position: Position | undefined;
  readonly publications: readonly PublicationFrame[];
}

/** Reads the reply to `$subscribe`; what is missing or malformed is left out. */
export function readSubscribeReply(channel: string, data: unknown): ReadSubscribeReply {
  const fields = fieldsOf(data);
  const { recovered, publications } = fields;
  return {
    reply: { ...fields, channel, ...(typeof recovered === 'boolean' && { recovered }) },
    position: readPosition(fields),
    publications: readPublications(publications),
  };
}

/** Reads the reply to `$history`; what is malformed in it is left out. */
export function readHistoryReply(channel: string, data: unknown): HistoryReply {
  const fields = fieldsOf(data);
  const { epoch = '', offset = 0 } = readPosition(fields) ?? {};
  return { channel, epoch, offset, publications: readPublications(fields['publications']) };
}

/** A position among other fields. */
export function readPosition(data: unknown): Position | undefined {
  return isPosition(data) ? { epoch: data.epoch, offset: data.offset } : undefined;
}

/** The publications of a list; what is none is left out. */
export function readPublications(list: unknown): readonly PublicationFrame[] {
  return Array.isArray(list) ? list.flatMap((item) => readPublication(item) ?? []) : [];
}
