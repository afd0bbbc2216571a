import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStream } from './event-stream.js';

function read(...pieces: string[]): unknown[] {
  const seen: unknown[] = [];
  const stream = new EventStream({
    data: (data) => seen.push(data),
    id: (id) => seen.push({ id }),
    retry: (ms) => seen.push({ ms }),
  });
  for (const piece of pieces) stream.push(piece);
  return seen;
}

const TEXT = ':\n\ndata: {"a":1}\n\nid: p;room/e/1\n\nretry: 1500\n\ndata: two\ndata:lines\n\n';
const SEEN = ['{"a":1}', { id: 'p;room/e/1' }, { ms: 1_500 }, 'two\nlines'];

describe('a stream of events', () => {
  it('is read the same however it is cut into pieces and whatever ends its lines', () => {
    const ends = fc.constantFrom('\n', '\r\n', '\r');
    fc.assert(
      fc.property(ends, fc.array(fc.nat(TEXT.length * 2), { maxLength: 8 }), (end, cuts) => {
        const text = `${TEXT.replaceAll('\n', end)}: over${end}`;
        const edges = [
          0,
          ...cuts.filter((cut) => cut < text.length).sort((one, two) => one - two),
          text.length,
        ];
        const pieces = edges.slice(1).map((edge, index) => text.slice(edges[index], edge));
        expect(read(...pieces)).toEqual(SEEN);
      }),
    );
  });

  it('dispatches nothing that is not whole', () => {
    expect(read('data: {"a":1}\n')).toEqual([]);
  });

  it('takes no frame without an end', () => {
    const long = 'x'.repeat(1024 * 1024);
    expect(() => read(...Array.from({ length: 9 }, () => `data: ${long}\n`))).toThrow(RangeError);
  });
});
