/** What stands before each message: whether it is compressed, and how long it is. */
const PREFIX_BYTES = 5;

/** Why a stream of messages can't be read any further. */
export type Unreadable = 'too-large' | 'compressed';

/** Puts a message into the form in which it travels (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export function prefixed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + message.byteLength);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.byteLength, 1);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

/** Takes the messages out of a stream of bytes. Holds one unfinished message at most. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #held = 0;
  #wanted = PREFIX_BYTES;

  /** @param maxBytes Largest message. */
  constructor(private readonly maxBytes: number) {}

  /** Whether it waits for the rest of a message. */
  get hasBegun(): boolean {
    return this.#held > 0;
  }

  /** Gives each whole message to `take`; says so where it can't go on. */
  push(chunk: Buffer, take: (message: Buffer) => void): Unreadable | undefined {
    this.#chunks.push(chunk);
    this.#held += chunk.byteLength;
    while (this.#held >= this.#wanted) {
      const bytes = this.#joined();
      const length = bytes.readUInt32BE(1);
      if (bytes[0] !== 0) return 'compressed';
      if (length > this.maxBytes) return 'too-large';
      const end = PREFIX_BYTES + length;
      this.#wanted = end;
      if (this.#held < end) return undefined;
      this.#keep(bytes.subarray(end));
      take(bytes.subarray(PREFIX_BYTES, end));
    }
    return undefined;
  }

  #joined(): Buffer {
    const [first = Buffer.alloc(0)] = this.#chunks;
    const bytes = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    return bytes;
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.byteLength === 0 ? [] : [rest];
    this.#held = rest.byteLength;
    this.#wanted = PREFIX_BYTES;
  }
}
