import { errorCodeOfStatus, type ErrorBody, isErrorCode } from '@aerie/protocol';
import { HttpException } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { Refusal } from './refusal.js';

const INTERNAL: ErrorBody = { code: 'internal', message: 'Internal server error' };
// What Nest throws when a guard of a message handler says no.
const FORBIDDEN = 'Forbidden resource';

/** What a client is told of a failure, or undefined for a fault that is none of its business: log it, say `internal`. */
export function expectedError(thrown: unknown): ErrorBody | undefined {
  if (thrown instanceof Refusal) return thrown.body;
  if (thrown instanceof HttpException) return bodyOfHttpException(thrown);
  if (thrown instanceof WsException) return bodyOfWsException(thrown);
  return undefined;
}

/** The body for any failure. */
export function errorBody(thrown: unknown): ErrorBody {
  return expectedError(thrown) ?? INTERNAL;
}

function bodyOfHttpException(exception: HttpException): ErrorBody {
  const code = errorCodeOfStatus(exception.getStatus());
  if (code === 'internal') return INTERNAL;
  const response: unknown = exception.getResponse();
  if (typeof response === 'string') return { code, message: response };
  const { message, code: own, details } = fieldsOf(response);
  const list: readonly unknown[] | undefined = Array.isArray(message) ? message : undefined;
  const isText = list?.every((entry) => typeof entry === 'string') === true;
  return {
    code: isErrorCode(own) ? own : code,
    message: isText ? list.join('; ') : typeof message === 'string' ? message : exception.message,
    ...(details !== undefined ? { details } : list !== undefined && { details: list }),
  };
}

function bodyOfWsException(exception: WsException): ErrorBody {
  const error = exception.getError();
  if (typeof error === 'string')
    return { code: error === FORBIDDEN ? 'forbidden' : 'invalid', message: error };
  const { code, message, details = ownShape(error) } = fieldsOf(error);
  return {
    code: isErrorCode(code) ? code : 'invalid',
    message: typeof message === 'string' ? message : 'invalid',
    ...(details !== undefined && { details }),
  };
}

// An error of the application's own shape (a list of validation errors, say) says all that there is to say.
function ownShape(error: unknown): unknown {
  const { code, message } = fieldsOf(error);
  return code === undefined && message === undefined ? error : undefined;
}

function fieldsOf(value: unknown): { message?: unknown; code?: unknown; details?: unknown } {
  return typeof value === 'object' && value !== null ? value : {};
}
