import { isUtf8 } from 'node:buffer';
import { LIMITS, noMessage, type NoMessage } from '@aerie/protocol';
import type { Framing } from '../../connections/wire.js';
import { isJson } from '../json-text.js';
import { prefixed } from './message-reader.js';
import { type ProtoField, ProtoWriter, readFields, textOf } from './protobuf.js';

/** Numbers of the fields of `ClientFrame` and `ServerFrame` in aerie/v1/realtime.proto. */
const CLIENT = { event: 1, id: 2, data: 3 } as const;
const SERVER = {
  event: 1,
  channel: 2,
  id: 3,
  data: 4,
  error: 5,
  offset: 6,
  from: 7,
  notification: 8,
  more: 9,
  done: 10,
  text: 11,
  binary: 12,
} as const;
const ERROR = { code: 1, message: 2, details: 3 } as const;

/** A frame of the protocol, as far as it is one. */
type Frame = Partial<Record<keyof typeof SERVER, unknown>>;

/** Each frame is a `ServerFrame` with its prefix, so that what many receive is made once. */
export const grpcFraming: Framing = {
  name: 'grpc:json',
  frame: (payload) => prefixed(serverFrame(Buffer.from(payload).toString('utf8'))),
  binary: (payload) => prefixed(new ProtoWriter().message(SERVER.binary, payload).finish()),
};

/** A `ClientFrame` as the JSON that messages are on other transports; or what to answer where it is no message. */
export function messageIn(bytes: Buffer): Buffer | NoMessage {
  const fields = readFields(bytes);
  if (fields === undefined || !fields.every(isText)) return noMessage('no ClientFrame');
  const [event, id, data] = [CLIENT.event, CLIENT.id, CLIENT.data].map((number) => textOf(fields, number));
  // It is put between the others as it is: what is not one whole JSON value could add some.
  if (data !== undefined && data !== '' && !isJson(data)) return noMessage('data must be JSON', idIn(id));
  const parts = [`"event":${JSON.stringify(event)}`];
  if (id !== undefined && id !== '') parts.push(`"id":${JSON.stringify(id)}`);
  if (data !== undefined && data !== '') parts.push(`"data":${data}`);
  return Buffer.from(`{${parts.join(',')}}`);
}

function idIn(text: string | undefined): string | undefined {
  return text !== undefined && text !== '' && Buffer.byteLength(text) <= LIMITS.idBytes ? text : undefined;
}

function isText({ number, value }: ProtoField): boolean {
  return number > CLIENT.data || (Buffer.isBuffer(value) && isUtf8(value));
}

function serverFrame(text: string): Buffer {
  const frame = frameIn(text);
  if (frame === undefined) return new ProtoWriter().text(SERVER.text, text).finish();
  const writer = new ProtoWriter()
    .text(SERVER.event, textIn(frame.event))
    .text(SERVER.channel, textIn(frame.channel))
    .text(SERVER.id, textIn(frame.id))
    .text(SERVER.data, jsonOf(frame.data))
    .number(SERVER.offset, typeof frame.offset === 'number' ? frame.offset : 0)
    .text(SERVER.from, textIn(frame.from))
    .text(SERVER.notification, textIn(frame.notification))
    .flag(SERVER.more, frame.more === true)
    .flag(SERVER.done, frame.done === true);
  if (isRecord(frame.error)) writer.message(SERVER.error, errorIn(frame.error));
  return writer.finish();
}

function errorIn({ code, message, details }: Readonly<Record<string, unknown>>): Buffer {
  return new ProtoWriter()
    .text(ERROR.code, textIn(code))
    .text(ERROR.message, textIn(message))
    .text(ERROR.details, jsonOf(details))
    .finish();
}

// What has more than the protocol knows would lose it: it travels whole, as the text it is.
function frameIn(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) && Object.keys(value).every(isFrameField) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isFrameField(name: string): boolean {
  return name !== 'text' && name !== 'binary' && Object.hasOwn(SERVER, name);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function jsonOf(value: unknown): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}
