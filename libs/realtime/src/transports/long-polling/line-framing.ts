import type { Framing } from '../../connections/wire.js';
import { isJson } from '../json-text.js';

const END = Buffer.from('\n');
const MARK = '#';
const HAS_LINES = /[\r\n]/;
const LINES = /[\r\n]/g;

/** Each frame is one line of JSON. */
export const lineFraming: Framing = {
  name: 'line:json',
  frame: (payload) => Buffer.concat([oneLine(payload), END]),
  binary: () => {
    throw new TypeError('long polling carries text only');
  },
};

/** A line that is no frame: where the client's channels stand by now. */
export function markLine(places: string): Buffer {
  return Buffer.from(`${MARK}${places}\n`);
}

/** What a mark says; undefined where the line is a frame. */
export function placesIn(line: string): string | undefined {
  return line.startsWith(MARK) ? line.slice(1) : undefined;
}

// An application may send text of its own: an answer is JSON as a whole, so what is none goes as a string.
function oneLine(payload: Uint8Array): Buffer {
  const bytes = Buffer.from(payload);
  const text = bytes.toString('utf8');
  if (!isJson(text)) return Buffer.from(JSON.stringify(text));
  // Within JSON's strings they are escaped: these stand between its tokens.
  return HAS_LINES.test(text) ? Buffer.from(text.replaceAll(LINES, ' ')) : bytes;
}
