import { isDeepStrictEqual } from 'node:util';
import type { Close, ErrorCode } from '@aerie/protocol';
import type { ReceivedFrame } from '../frame-queue.js';
import type { Talker } from './talker.js';

/** Throws, saying why, unless it holds. */
export function ensure(holds: unknown, why: string): asserts holds {
  if (!(holds as boolean)) throw new Error(why);
}

/** Throws unless two values are deeply equal. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  ensure(isDeepStrictEqual(actual, expected), `${what} is ${shown(actual)}, not ${shown(expected)}`);
}

/** Throws unless the fields of `expected` are these in `actual`. Others are no matter: protocols grow. */
export function includes(actual: unknown, expected: Readonly<Record<string, unknown>>, what: string): void {
  const fields = fieldsOf(actual);
  for (const [name, value] of Object.entries(expected)) equal(fields[name], value, `${name} of ${what}`);
}

/** The fields of an object; none where it is no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The data of a good reply. */
export function dataOf(frame: ReceivedFrame, what: string): Readonly<Record<string, unknown>> {
  ensure(frame.error === undefined, `${what} failed: ${shown(frame.error)}`);
  return fieldsOf(frame.data);
}

/** Throws unless a frame is an error with this code and a text. */
export function failedWith(frame: ReceivedFrame, code: ErrorCode, what: string): void {
  const error = fieldsOf(frame.error);
  ensure(error['code'] === code, `${what} got ${shown(frame)}, not the error ${code}`);
  ensure(typeof error['message'] === 'string', `the error of ${what} has no message`);
}

/** Throws unless the server ends the connection so. */
export async function endsWith(talker: Talker, close: Close): Promise<void> {
  const { code, reason } = await talker.closed;
  equal({ code, reason }, { code: close.code, reason: close.reason }, 'the close');
}

export function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

export function isError({ error }: ReceivedFrame): boolean {
  return error !== undefined;
}

function shown(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value);
}
