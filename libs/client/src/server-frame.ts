import {
  isErrorCode,
  isPosition,
  type DirectFrame,
  type ErrorBody,
  type ErrorCode,
  type MessageId,
} from '@aerie/protocol';
import { type Codec, JSON_CODEC } from './codec.js';
import type { Position, PublicationFrame, SubscribeReply, Welcome } from '@aerie/protocol';

/** A frame of the server, told apart. */
export type ServerFrame =
  | {
      readonly kind: 'reply';
      readonly id: MessageId;
      readonly data: unknown;
      readonly more: boolean;
      readonly done: boolean;
    }
  | { readonly kind: 'error'; readonly id: MessageId | undefined; readonly error: ErrorBody }
  | { readonly kind: 'system'; readonly event: string; readonly data: unknown }
  | { readonly kind: 'publication'; readonly frame: PublicationFrame }
  | { readonly kind: 'direct'; readonly frame: DirectFrame };

type Fields = Readonly<Record<string, unknown>>;

/** Reads one frame; undefined for anything that is none, which the client ignores. */
export function readFrame(wire: unknown, { decode } = JSON_CODEC): ServerFrame | undefined {
  const fields = parse(wire, decode);
  if (!fields) return undefined;
  const id = isId(fields['id']) ? fields['id'] : undefined;
  if (isFields(fields['error'])) return { kind: 'error', id, error: readError(fields['error']) };
  if (id !== undefined) return readReply(id, fields);
  return typeof fields['event'] === 'string' ? readEvent(fields['event'], fields) : undefined;
}

function readReply(id: MessageId, { data, more, done }: Fields): ServerFrame {
  return { kind: 'reply', id, data, more: more === true, done: done === true };
}

function readEvent(event: string, fields: Fields): ServerFrame {
  const { data, notification } = fields;
  if (event.startsWith('$')) return { kind: 'system', event, data };
  const frame = readPublication(fields);
  if (frame) return { kind: 'publication', frame };
  return {
    kind: 'direct',
    frame: { event, data, ...(typeof notification === 'string' && { notification }) },
  };
}

/** Reads a publication, live or out of the reply to `$subscribe`. */
export function readPublication(value: unknown): PublicationFrame | undefined {
  if (!isFields(value)) return undefined;
  const { event, channel, data, offset, from } = value;
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
  const fields = isFields(data) ? data : {};
  const heartbeat = isFields(fields['heartbeat']) ? fields['heartbeat'] : {};
  return {
    connection: text(fields['connection']),
    user: text(fields['user']),
    node: text(fields['node']),
    expiresAt: typeof fields['expiresAt'] === 'number' ? fields['expiresAt'] : null,
    heartbeat: {
      intervalMs: positive(heartbeat['intervalMs'], 30_000),
      timeoutMs: positive(heartbeat['timeoutMs'], 10_000),
    },
    maxFrameBytes: positive(fields['maxFrameBytes'], 65_536),
    transport: text(fields['transport'], 'websocket'),
    channels: isFields(fields['channels']) ? (fields['channels'] as Welcome['channels']) : {},
  };
}

export function text(value: unknown, fallback = ''): string {
  return typeof value === 'string' ? value : fallback;
}

function positive(value: unknown, fallback: number): number {
  return typeof value === 'number' && value > 0 ? value : fallback;
}

function parse(wire: unknown, decode: Codec['decode']): Fields | undefined {
  try {
    const value = decode(wire);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
  const fields = isFields(data) ? data : {};
  const { epoch, offset, recovered, publications } = fields;
  const position = isPosition({ epoch, offset }) ? ({ epoch, offset } as Position) : undefined;
  const frames = (Array.isArray(publications) ? publications : [])
    .map(readPublication)
    .filter((frame) => frame !== undefined);
  const reply = { ...fields, channel, ...(typeof recovered === 'boolean' && { recovered }) };
  return { reply, position, publications: frames };
}
