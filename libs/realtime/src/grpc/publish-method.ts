import type { IncomingMessage } from 'node:http';
import { type ErrorBody } from '@aerie/protocol';
import type { ApiTarget } from '../api/api-target.js';
import { publish } from '../api/operations/publish.js';
import { Refusal } from '../refusal.js';
import { requestOfCall } from '../transports/grpc/call-request.js';
import type { GrpcCall } from '../transports/grpc/grpc-call.js';
import { ProtoWriter, readFields, textOf } from '../transports/grpc/protobuf.js';
import type { GrpcMethod } from './grpc-server.js';
import { unary } from './unary.js';

/** As for the HTTP API's bodies. */
const MAX_BYTES = 1024 * 1024;
const REQUEST = { channel: 1, event: 2, data: 3, idempotencyKey: 4 } as const;
const REPLY = { channel: 1, epoch: 2, offset: 3, duplicate: 4 } as const;

/** Says whether a backend may publish: a Refusal is the answer. */
export type AuthorizePublish = (
  request: IncomingMessage,
) => Refusal | undefined | Promise<Refusal | undefined>;

/** `Publish`: the server API's operation of that name. */
export function publishMethod(target: ApiTarget, authorize: AuthorizePublish): GrpcMethod {
  return unary(MAX_BYTES, async (message, call) => {
    const refusal = await authorize(requestOf(call));
    if (refusal !== undefined) return refusal;
    const input = inputOf(message);
    if (input instanceof Refusal) return input;
    const { body } = await publish.call(target, input);
    return isError(body) ? refusalOf(body.error) : replyOf(body);
  });
}

function requestOf(call: GrpcCall): IncomingMessage {
  return requestOfCall(call, '/aerie.v1.Realtime/Publish');
}

function inputOf(message: Buffer): object | Refusal {
  const fields = readFields(message);
  if (fields === undefined) return new Refusal('invalid', 'the message can not be read');
  const data = textOf(fields, REQUEST.data);
  const idempotencyKey = textOf(fields, REQUEST.idempotencyKey);
  try {
    return {
      channel: textOf(fields, REQUEST.channel),
      event: textOf(fields, REQUEST.event),
      ...(data !== '' && { data: JSON.parse(data) as unknown }),
      ...(idempotencyKey !== '' && { idempotencyKey }),
    };
  } catch {
    return new Refusal('invalid', 'data must be JSON');
  }
}

function isError(body: unknown): body is { readonly error: ErrorBody } {
  return typeof body === 'object' && body !== null && 'error' in body;
}

function refusalOf({ code, message, details }: ErrorBody): Refusal {
  return new Refusal(code, message, { details });
}

function replyOf(body: unknown): Buffer {
  const { channel, epoch, offset, duplicate } = publish.answer.parse(body) as {
    channel: string;
    epoch?: string;
    offset?: number;
    duplicate?: true;
  };
  return new ProtoWriter()
    .text(REPLY.channel, channel)
    .text(REPLY.epoch, epoch)
    .number(REPLY.offset, offset)
    .flag(REPLY.duplicate, duplicate)
    .finish();
}
