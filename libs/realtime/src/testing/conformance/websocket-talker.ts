import type { Message } from '@aerie/protocol';
import { clientFrame } from '../client-frame.js';
import type { FramePredicate, ReceivedFrame } from '../frame-queue.js';
import { type ClosedWith, openClient, type TestClient, type TestClientOptions } from '../test-client.js';
import type { SocketTalker } from './talker.js';
import { within } from './within.js';

const COMPRESSED_TEXT = 0x40 | 0x1;

/** A talker over a WebSocket in JSON. */
export class WebSocketTalker implements SocketTalker {
  readonly closed: Promise<ClosedWith>;
  readonly #client: TestClient;
  readonly #timeoutMs: number;

  /** Resolves after the 101; rejects with `UpgradeRefused`. */
  static async open(
    url: string,
    options: TestClientOptions & { readonly timeoutMs: number },
  ): Promise<WebSocketTalker> {
    return new WebSocketTalker(await openClient(url, options), options.timeoutMs);
  }

  private constructor(client: TestClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.closed = client.closed;
  }

  get received(): readonly ReceivedFrame[] {
    return this.#client.received;
  }

  get binaryFrames(): number {
    return this.#client.binaryFrames;
  }

  send(message: Message): void {
    this.sendText(JSON.stringify(message));
  }

  request(event: string, data?: unknown): Promise<ReceivedFrame> {
    return this.#client.request(event, data);
  }

  frame(predicate: FramePredicate): Promise<ReceivedFrame> {
    return this.#client.frame(predicate);
  }

  close(code?: number): Promise<ClosedWith> {
    return this.#client.close(code);
  }

  drop(): void {
    this.#client[Symbol.dispose]();
  }

  sendText(text: string): void {
    this.#client.socket.send(text);
  }

  sendBinary(bytes: Uint8Array): void {
    this.#client.socket.send(bytes, { binary: true });
  }

  sendAsText(bytes: Uint8Array): void {
    this.#client.socket.send(bytes, { binary: false });
  }

  sendCompressed(bytes: Uint8Array): void {
    this.#client.sendRaw(clientFrame(COMPRESSED_TEXT, bytes));
  }

  sendUnmasked(text: string): void {
    this.#client.socket.send(text, { mask: false });
  }

  sendFragments(parts: readonly string[]): void {
    for (const [index, part] of parts.entries()) {
      this.#client.socket.send(part, { fin: index === parts.length - 1 });
      if (index === 0) this.#client.socket.ping('between');
    }
  }

  async ping(payload: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#client.socket.once('pong', (data) => resolve(data.toString('utf8')));
    this.#client.socket.ping(payload);
    return within(this.#timeoutMs, promise, 'no pong');
  }
}
