import type { OutgoingHttpHeaders } from 'node:http2';
import type { CLOSE, Close, CloseName, ErrorCode } from '@aerie/protocol';
import { z } from 'zod';
import type { Refusal } from '../../refusal.js';
import { comeBackAfterMs } from '../come-back.js';
import { ProtoWriter } from './protobuf.js';

/** The status codes of gRPC that are used here. */
export const STATUS = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** How a call ends. */
export interface GrpcStatus {
  readonly code: (typeof STATUS)[keyof typeof STATUS];
  readonly message: string;
  /** Why, in the words of the protocol: an error code, or a close code. */
  readonly reason?: string;
  /** When to come back. Milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** What is wrong with which field. */
  readonly violations?: readonly Violation[] | undefined;
  /** What a repeat of the call is to be made with, so that it is done once. */
  readonly idempotencyKey?: string | undefined;
}

/** What the `details` of an error may hold, as over HTTP. */
type Violation = z.infer<typeof Violation>;
const Violation = z.object({ path: z.string(), message: z.string() });
const Repeat = z.object({ idempotencyKey: z.string() });

const OF_ERROR: Readonly<Record<ErrorCode, GrpcStatus['code']>> = {
  invalid: STATUS.INVALID_ARGUMENT,
  bad_frame: STATUS.INVALID_ARGUMENT,
  unknown_event: STATUS.UNIMPLEMENTED,
  unauthenticated: STATUS.UNAUTHENTICATED,
  forbidden: STATUS.PERMISSION_DENIED,
  not_found: STATUS.NOT_FOUND,
  conflict: STATUS.ABORTED,
  session_gone: STATUS.ABORTED,
  too_large: STATUS.RESOURCE_EXHAUSTED,
  rate_limited: STATUS.RESOURCE_EXHAUSTED,
  limit_exceeded: STATUS.RESOURCE_EXHAUSTED,
  internal: STATUS.INTERNAL,
  unavailable: STATUS.UNAVAILABLE,
  draining: STATUS.UNAVAILABLE,
  overloaded: STATUS.UNAVAILABLE,
  timeout: STATUS.DEADLINE_EXCEEDED,
};

const OF_CLOSE: Readonly<Record<number, GrpcStatus['code']>> = {
  1000: STATUS.OK,
  1001: STATUS.UNAVAILABLE,
  1002: STATUS.INTERNAL,
  1007: STATUS.INVALID_ARGUMENT,
  1008: STATUS.FAILED_PRECONDITION,
  1009: STATUS.RESOURCE_EXHAUSTED,
  1011: STATUS.INTERNAL,
  1013: STATUS.UNAVAILABLE,
  4001: STATUS.UNAUTHENTICATED,
  4002: STATUS.UNAUTHENTICATED,
  4008: STATUS.RESOURCE_EXHAUSTED,
  4401: STATUS.UNAUTHENTICATED,
  4403: STATUS.PERMISSION_DENIED,
  4429: STATUS.RESOURCE_EXHAUSTED,
} satisfies Record<(typeof CLOSE)[CloseName]['code'], GrpcStatus['code']>;

const DOMAIN = 'aerie';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

export const OK: GrpcStatus = { code: STATUS.OK, message: '' };

export function statusOfRefusal({ code, message, retryAfterSeconds, details }: Refusal): GrpcStatus {
  const violations = z.array(Violation).safeParse(details).data;
  const idempotencyKey = Repeat.safeParse(details).data?.idempotencyKey;
  return { ...statusOfError(code, message, retryAfterSeconds), violations, idempotencyKey };
}

export function statusOfError(code: ErrorCode, message: string, retryAfterSeconds?: number): GrpcStatus {
  const retryAfterMs = retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1_000;
  return { code: OF_ERROR[code], message, reason: code, retryAfterMs };
}

/** What an application's own close code comes to is `ABORTED`. */
export function statusOfClose({ code, reason }: Close): GrpcStatus {
  const status = OF_CLOSE[code] ?? STATUS.ABORTED;
  if (status === STATUS.OK) return OK;
  return {
    code: status,
    message: reason,
    reason: String(code),
    ...(status === STATUS.UNAVAILABLE && { retryAfterMs: comeBackAfterMs() }),
  };
}

/** The status as it travels: gRPC's own headers, and the details of google.rpc (ErrorInfo, BadRequest, RetryInfo). */
export function statusHeaders(status: GrpcStatus): OutgoingHttpHeaders {
  const { code, message, retryAfterMs } = status;
  return {
    'grpc-status': String(code),
    ...(message !== '' && { 'grpc-message': encodeURIComponent(message) }),
    ...(status.reason !== undefined && { 'grpc-status-details-bin': detailsOf(status).toString('base64') }),
    ...(retryAfterMs !== undefined && { 'grpc-retry-pushback-ms': String(Math.round(retryAfterMs)) }),
  };
}

function detailsOf(status: GrpcStatus): Buffer {
  const { code, message, retryAfterMs, violations } = status;
  const writer = new ProtoWriter().number(1, code).text(2, message);
  writer.message(3, anyOf(ERROR_INFO, errorInfo(status)));
  if (violations !== undefined) writer.message(3, anyOf(BAD_REQUEST, badRequest(violations)));
  if (retryAfterMs !== undefined) writer.message(3, anyOf(RETRY_INFO, retryInfo(retryAfterMs)));
  return writer.finish();
}

function errorInfo({ reason, idempotencyKey }: GrpcStatus): Buffer {
  const writer = new ProtoWriter().text(1, reason).text(2, DOMAIN);
  if (idempotencyKey !== undefined)
    writer.message(3, new ProtoWriter().text(1, 'idempotency_key').text(2, idempotencyKey).finish());
  return writer.finish();
}

function badRequest(violations: readonly Violation[]): Buffer {
  const writer = new ProtoWriter();
  for (const { path, message } of violations)
    writer.message(1, new ProtoWriter().text(1, path).text(2, message).finish());
  return writer.finish();
}

function retryInfo(afterMs: number): Buffer {
  const duration = new ProtoWriter()
    .number(1, Math.floor(afterMs / 1_000))
    .number(2, Math.floor(afterMs % 1_000) * 1_000_000)
    .finish();
  return new ProtoWriter().message(1, duration).finish();
}

function anyOf(type: string, value: Buffer): Buffer {
  return new ProtoWriter().text(1, type).message(2, value).finish();
}
