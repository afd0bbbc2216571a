import { mayHoldBytes, reviveBytes } from './bytes.js';
import type { ErrorBody } from './error-codes.js';
import type { Message, MessageId } from './frames.js';
import { LIMITS } from './limits.js';
import { isSystemOrEventName, utf8Length } from './names.js';

/** What a client's frame was: a message, or what to answer instead. */
export type Decoded = { readonly ok: true; readonly message: Message } | NoMessage;

/** What to answer a frame that is no message, with its id where that could be read. */
export interface NoMessage {
  readonly ok: false;
  readonly id?: MessageId;
  readonly error: ErrorBody;
}

/**
 * Reads one client frame of JSON. Never throws: a frame that is no message of protocol v1 comes back as `bad_frame` with
 * what is wrong, never with the payload, and with its `id` where that could be read.
 */
export function decodeMessage(text: string): Decoded {
  if (jsonDepth(text) > LIMITS.jsonDepth) return noMessage(`JSON deeper than ${LIMITS.jsonDepth}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return noMessage('not JSON');
  }
  return readMessage(mayHoldBytes(text) ? reviveBytes(value) : value);
}

/** Reads a message from what a client's frame was decoded to, by whatever codec. Never throws. */
export function readMessage(value: unknown): Decoded {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return noMessage('not an object');
  const { event, data, id } = value as Record<string, unknown>;
  if (id !== undefined && !isMessageId(id))
    return noMessage(`id must be a number or a string of at most ${LIMITS.idBytes} bytes`);
  if (!isSystemOrEventName(event))
    return noMessage(`event must be a string of 1-${LIMITS.eventBytes} bytes`, id);
  return { ok: true, message: messageOf(event, data, id) };
}

// A spread for each optional field costs more than the rest of the frame.
function messageOf(event: string, data: unknown, id: MessageId | undefined): Message {
  if (data === undefined) return id === undefined ? { event } : { event, id };
  return id === undefined ? { event, data } : { event, data, id };
}

/** What to answer a frame that is no message. */
export function noMessage(message: string, id?: MessageId): NoMessage {
  return { ok: false, ...(id !== undefined && { id }), error: { code: 'bad_frame', message } };
}

function isMessageId(value: unknown): value is MessageId {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'string' && utf8Length(value) <= LIMITS.idBytes;
}

/** The deepest nesting of arrays and objects in a JSON text, counted without parsing it; stops counting past the limit. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === 0x22) index = endOfString(text, index);
    else if (unit === 0x7b || unit === 0x5b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
      if (deepest > LIMITS.jsonDepth) return deepest;
    } else if (unit === 0x7d || unit === 0x5d) depth -= 1;
  }
  return deepest;
}

function endOfString(text: string, start: number): number {
  const quote = text.indexOf('"', start + 1);
  if (quote === -1) return text.length;
  return text.charCodeAt(quote - 1) === 0x5c ? endOfEscaped(text, start) : quote;
}

function endOfEscaped(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit === 0x5c) index += 1;
    else if (unit === 0x22) return index;
  }
  return text.length;
}
