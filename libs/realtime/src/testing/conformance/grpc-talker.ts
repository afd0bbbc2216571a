import { CLOSE, type ErrorBody, type Message } from '@aerie/protocol';
import { STATUS } from '../../transports/grpc/grpc-status.js';
import { type ProtoField, ProtoWriter, bytesOf, readFields, textOf } from '../../transports/grpc/protobuf.js';
import { type FramePredicate, FrameQueue, type ReceivedFrame } from '../frame-queue.js';
import type { ClosedWith } from '../test-client.js';
import { type CallEnd, ClientCall, type CallOptions } from './client-call.js';
import { fieldsOf, isNumber } from './expectations.js';
import type { Talker } from './talker.js';

/** Numbers of the fields in aerie/v1/realtime.proto. */
const CLIENT = { event: 1, id: 2, data: 3 } as const;
const SERVER = { event: 1, channel: 2, id: 3, data: 4, error: 5, offset: 6, from: 7 } as const;
/** Nobody said goodbye. */
const CUT = 1006;
const ERROR = { code: 1, message: 2, details: 3 } as const;

export interface GrpcTalkerOptions extends Omit<CallOptions, 'take' | 'path'> {
  readonly timeoutMs: number;
}

/** A `ClientFrame`, field by field. */
export interface ClientFields {
  readonly event: string;
  readonly id?: string;
  /** JSON text, or what is none. */
  readonly data?: string;
}

/** A talker over gRPC: a call of `Connect`. */
export class GrpcTalker implements Talker {
  readonly closed: Promise<ClosedWith>;
  /** How the call ended. Never rejects. */
  readonly ended: Promise<CallEnd>;
  readonly #call: ClientCall;
  readonly #frames = new FrameQueue();
  readonly #timeoutMs: number;
  #lastId = 0;

  constructor({ timeoutMs, ...options }: GrpcTalkerOptions) {
    this.#timeoutMs = timeoutMs;
    this.#call = new ClientCall({
      ...options,
      path: '/aerie.v1.Realtime/Connect',
      take: (message) => this.#take(message),
    });
    this.ended = this.#call.ended;
    this.closed = this.ended.then((end) => this.#closedWith(end));
  }

  get received(): readonly ReceivedFrame[] {
    return this.#frames.all;
  }

  send({ event, id, data }: Message): void {
    this.sendFields({
      event,
      ...(id !== undefined && { id: String(id) }),
      ...(data !== undefined && { data: JSON.stringify(data) }),
    });
  }

  sendFields({ event, id, data }: ClientFields): void {
    this.sendBytes(
      new ProtoWriter().text(CLIENT.event, event).text(CLIENT.id, id).text(CLIENT.data, data).finish(),
    );
  }

  /** A message that may be no `ClientFrame`. */
  sendBytes(message: Uint8Array): void {
    this.#call.send(message);
  }

  request(event: string, data?: unknown): Promise<ReceivedFrame> {
    this.#lastId += 1;
    const id = String(this.#lastId);
    this.send({ event, id, data });
    return this.frame((frame) => frame.id === id);
  }

  frame(predicate: FramePredicate): Promise<ReceivedFrame> {
    return this.#frames.take(predicate, this.#timeoutMs);
  }

  close(): Promise<ClosedWith> {
    this.#call.end();
    return this.closed;
  }

  drop(): void {
    this.#call.drop();
  }

  #take(message: Buffer): void {
    const frame = frameIn(message);
    if (frame !== undefined) return this.#frames.push(frame);
    this.#frames.end(new Error('the server sent what is no ServerFrame'));
    this.drop();
  }

  #closedWith({ code: status, message }: CallEnd): ClosedWith {
    this.#frames.end(new Error(`the call has ended with ${status ?? 'no status'}: ${message}`));
    const last = this.received.at(-1);
    const { code, reason } = fieldsOf(last?.event === '$close' ? last.data : undefined);
    if (isNumber(code)) return { code, reason: String(reason) };
    return { code: status === STATUS.OK ? CLOSE.normal.code : CUT, reason: '' };
  }
}

/** A `ServerFrame` as the JSON that frames are elsewhere; undefined where it is none. */
function frameIn(message: Buffer): ReceivedFrame | undefined {
  const fields = readFields(message);
  try {
    return fields === undefined ? undefined : frameOf(fields);
  } catch {
    return undefined;
  }
}

function frameOf(fields: readonly ProtoField[]): ReceivedFrame {
  const [event, channel, id, data, from] = (['event', 'channel', 'id', 'data', 'from'] as const).map((name) =>
    textOf(fields, SERVER[name]),
  );
  const [error] = bytesOf(fields, SERVER.error);
  const offset = fields.findLast(({ number }) => number === SERVER.offset)?.value;
  return {
    ...(event && { event }),
    ...(channel && { channel }),
    ...(id && { id }),
    ...(data && { data: JSON.parse(data) as unknown }),
    ...(from && { from }),
    ...(isNumber(offset) && { offset }),
    ...(error !== undefined && { error: errorOf(readFields(error) ?? []) }),
  };
}

function errorOf(fields: readonly ProtoField[]): ErrorBody {
  const details = textOf(fields, ERROR.details);
  return {
    code: textOf(fields, ERROR.code) as ErrorBody['code'],
    message: textOf(fields, ERROR.message),
    ...(details !== '' && { details: JSON.parse(details) as unknown }),
  };
}
