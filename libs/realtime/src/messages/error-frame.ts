import { type ErrorBody, type ErrorReply, LIMITS, type MessageId } from '@aerie/protocol';

/** The error reply of a message; where the message had no id, in the shape that Nest's ws clients know as well. */
export function errorFrame(id: MessageId | undefined, error: ErrorBody): string {
  try {
    return encode(id, error);
  } catch {
    // An application's details may be anything; what the client must know is the code.
    return encode(id, { code: error.code, message: error.message });
  }
}

function encode(id: MessageId | undefined, error: ErrorBody): string {
  if (id === undefined)
    return JSON.stringify({ event: 'exception', data: { status: 'error', ...error }, error });
  const reply: ErrorReply = { id, error };
  return JSON.stringify(reply);
}

/** The error frame for what is no message: at most 256 bytes, whatever was sent. */
export function badFrame(id: MessageId | undefined, error: ErrorBody): string {
  const frame = errorFrame(id, { code: error.code, message: error.message });
  return Buffer.byteLength(frame) <= LIMITS.errorFrameBytes
    ? frame
    : JSON.stringify({ error: { code: error.code, message: '' } });
}
