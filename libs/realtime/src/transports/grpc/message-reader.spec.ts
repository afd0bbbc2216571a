import { describe, expect, it } from 'vitest';
import { MessageReader, prefixed, type Unreadable } from './message-reader.js';

function read(reader: MessageReader, chunks: readonly Buffer[]): [string[], Unreadable | undefined] {
  const taken: string[] = [];
  let fault: Unreadable | undefined;
  for (const chunk of chunks) fault ??= reader.push(chunk, (message) => taken.push(message.toString()));
  return [taken, fault];
}

describe('a reader of messages', () => {
  const messages = ['', 'one', 'two', 'x'.repeat(100)];
  const bytes = Buffer.concat(messages.map((text) => prefixed(Buffer.from(text))));

  it.each([1, 2, 5, 6, 7, 1_000])('takes them out of chunks of %i bytes', (size) => {
    const reader = new MessageReader(100);
    const chunks = Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    expect(read(reader, chunks)).toEqual([messages, undefined]);
    expect(reader.hasBegun).toBe(false);
  });

  it('says that one is too large as soon as its length is known', () => {
    expect(read(new MessageReader(99), [bytes.subarray(0, -50)])).toEqual([['', 'one', 'two'], 'too-large']);
  });

  it('takes none that is compressed', () => {
    const compressed = prefixed(Buffer.from('x'));
    compressed[0] = 1;
    expect(read(new MessageReader(99), [compressed])).toEqual([[], 'compressed']);
  });

  it('knows of an unfinished one', () => {
    const reader = new MessageReader(99);
    read(reader, [Buffer.from([0])]);
    expect(reader.hasBegun).toBe(true);
  });
});
