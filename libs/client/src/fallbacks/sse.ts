import { SYSTEM } from '@aerie/protocol';
import { EventStream } from './event-stream.js';
import { HttpSocket, type HttpTransportOptions } from './http-socket.js';
import type { TransportKind } from './transport-kind.js';

/** Server-sent events, read by `fetch`: a response that goes on. At most 32 channels on one connection. */
export function sse(options: HttpTransportOptions = {}): TransportKind {
  return {
    name: 'sse',
    dial: (setup, events) => {
      const socket = new SseSocket(setup, events, options);
      void socket.run(options.url ?? 'sse');
      return { socket, why: () => Promise.resolve(socket.answer) };
    },
  };
}

class SseSocket extends HttpSocket {
  async run(target: string | URL): Promise<void> {
    const response = await this.enter(target, 'text/event-stream');
    if (!response?.body) return;
    this.events.received();
    const reader = response.body.getReader();
    try {
      await this.#read(reader);
    } catch {
      // Cut, dropped, or not what it said it is: it is over.
    } finally {
      this.lost();
      this.terminate();
    }
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const state = { open: true };
    const stream = new EventStream({
      data: (text) => (state.open &&= this.take(text)),
      id: (id) => (this.id = id),
      retry: (afterMs) =>
        this.events.received(JSON.stringify({ event: SYSTEM.reconnect, data: { afterMs, reason: 'retry' } })),
    });
    const decoder = new TextDecoder();
    while (state.open) {
      const { done, value } = await reader.read();
      if (done) return;
      this.events.received();
      stream.push(decoder.decode(value, { stream: true }));
    }
  }
}
