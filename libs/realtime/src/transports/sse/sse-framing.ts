import type { Framing } from '../../connections/wire.js';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const DATA = Buffer.from('data: ');
const END = Buffer.from('\n\n');

/** A comment: nothing to the application, a sign of life to everything between. */
export const HEARTBEAT = Buffer.from(':\n\n');

/** Each frame is the data of one event without a name (HTML standard, section 9.2). */
export const eventFraming: Framing = {
  name: 'sse:json',
  frame: (payload) => Buffer.concat([DATA, hasLines(payload) ? continued(payload) : payload, END]),
  binary: () => {
    throw new TypeError('server-sent events carry text only');
  },
};

/** An id alone dispatches nothing, and is what the client comes back with. */
export function idBlock(id: string): Buffer {
  return Buffer.from(`id: ${id}\n\n`);
}

/** How long the client is to wait before it comes back. */
export function retryBlock(afterMs: number): Buffer {
  return Buffer.from(`retry: ${Math.ceil(afterMs)}\n\n`);
}

function hasLines(payload: Uint8Array): boolean {
  return payload.includes(LINE_FEED) || payload.includes(CARRIAGE_RETURN);
}

// Text of the application's own may have lines: each is a `data` of its own, and the client puts them together again.
function continued(payload: Uint8Array): Buffer {
  const text = Buffer.from(payload).toString('utf8');
  return Buffer.from(text.split(/\r\n|\r|\n/).join('\ndata: '));
}
