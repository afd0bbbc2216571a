import type { Welcome } from '@aerie/protocol';
import { createBacklog } from './backlog.js';
import { byteLength, type Codec, type Encoded } from './codec.js';
import type { Report, Unlisten } from './emitter.js';
import { failure, RealtimeError, stopped } from './errors.js';
import type { Abortable } from './events.js';
import { onAbort } from './on-abort.js';
import { createPace } from './pace.js';
import type { ServerFrame } from './server-frame.js';

const MAX_UNREAD_REPLIES = 256;
const MAX_PENDING = 1_000;
const MAX_WAITING = 100;
const MAX_WAITING_BYTES = 256 * 1024;
const TIMEOUT_MS = 10_000;
/**
 * Of the client's own: the server says by itself that it took too long, but a hundred may stand in its line, and who asks
 * again stands behind them.
 */
const OWN_TIMEOUT_MS = 300_000;

export interface RequestOptions extends Abortable {
  /** Milliseconds until the reply, or until a stream's first; time without a connection counts. Default 10,000. */
  readonly timeoutMs?: number;
}

interface Outgoing {
  readonly event: string;
  readonly data?: unknown;
  /** One of the client's own: goes ahead of the application's, and on this connection or not at all. */
  readonly own?: boolean;
}

/** Who waits for replies. Called in the order of the wire, synchronously, so that no later frame overtakes a reply. */
export interface ReplySink {
  /** `last`: no further reply comes. */
  readonly reply: (data: unknown, last: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/** What carries the frames. */
export interface Line {
  /** Of the connection that is open; undefined: there is none. */
  welcome(): Welcome | undefined;
  /** Whether it is closed for good. */
  stopped(): boolean;
  /** Sees to it that there will be a connection. */
  demand(): void;
  /** @throws RealtimeError when it can't take this. */
  send(encoded: Encoded): void;
}

/** Messages out, replies back. What can't leave yet waits, for a connection or for its turn; what left and was cut off fails. */
export interface Exchange {
  /** @throws RealtimeError when it can neither be sent nor queued. */
  send(message: Outgoing): void;
  request(message: Outgoing, options?: RequestOptions): Promise<unknown>;
  stream(message: Outgoing, options?: RequestOptions): AsyncGenerator<unknown, void, undefined>;
  /** Sends a message whose replies, or failure, go to the sink. */
  ask(message: Outgoing, sink: ReplySink, options?: RequestOptions): number;
  /** Settles after that time, or sooner: when the connection goes or it stops. @throws the signal's reason. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
  /** A reply, or an error. */
  receive(frame: ServerFrame): void;
  /** There is a new connection; what waited stays where it is until `flush`. */
  opened(): void;
  /** Sends what waited, in its order and at the pace that the server takes. */
  flush(): void;
  /** The connection is gone: what was sent on it has an unknown outcome. */
  cut(): void;
  stop(): void;
}

interface Waiting {
  /** Of a request; undefined where no reply is wanted. */
  readonly id?: number;
  readonly encoded: Encoded;
  readonly own?: boolean | undefined;
  readonly fail: (error: unknown) => void;
}

interface Pending {
  readonly sink: ReplySink;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly release: Unlisten;
}

export function createExchange(line: Line, codec: Codec, report: Report): Exchange {
  const pace = createPace();
  const pending = new Map<unknown, Pending>();
  /** The client's own first, then the application's. */
  let waiting: Waiting[] = [];
  // 0 is the first message's `$auth`.
  let lastId = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Whatever ends a request ends it once: it is not sent any more, and its sink hears no more. */
  const end = (id: unknown): ReplySink | undefined => {
    const one = pending.get(id);
    if (!one) return undefined;
    pending.delete(id);
    clearTimeout(one.timer);
    one.release();
    waiting = waiting.filter((frame) => frame.id !== id);
    return one.sink;
  };
  const fail = (id: unknown, error: unknown): void => end(id)?.fail(error);

  /** @throws RealtimeError `overloaded`; the signal's reason. */
  const expect = (sink: ReplySink, timeoutMs: number, signal: AbortSignal | undefined): number => {
    if (pending.size >= MAX_PENDING) throw failure('overloaded', 'Too many requests are waiting');
    const id = (lastId += 1);
    const late = failure('timeout', `No reply within ${timeoutMs} ms`);
    const release = onAbort(signal, (reason) => fail(id, reason));
    pending.set(id, { sink, release, timer: setTimeout(() => fail(id, late), timeoutMs) });
    return id;
  };

  /** Fails what has been sent. */
  const failSent = (why: () => RealtimeError): void => {
    for (const id of Array.from(pending.keys()))
      if (!waiting.some((frame) => frame.id === id)) fail(id, why());
  };

  const flush = (): void => {
    while (line.welcome()) {
      const [frame] = waiting;
      if (!frame) return;
      const ms = pace.take();
      if (ms > 0) {
        clearTimeout(timer);
        timer = setTimeout(flush, ms);
        return;
      }
      waiting.shift();
      try {
        line.send(frame.encoded);
      } catch (error) {
        frame.fail(error);
      }
    }
  };

  const post = (frame: Waiting): void => {
    if (line.stopped()) throw stopped();
    if (line.welcome()) {
      if (!(frame.own ? waiting[0]?.own : waiting[0]) && pace.take() === 0) return line.send(frame.encoded);
    } else if (frame.own) throw failure('unavailable', 'There is no connection');
    const others = waiting.filter((one) => !one.own);
    const bytes = [...others, frame].reduce((sum, { encoded }) => sum + byteLength(encoded), 0);
    if (!frame.own && (others.length >= MAX_WAITING || bytes > MAX_WAITING_BYTES))
      throw failure('overloaded', 'Too many messages are waiting');
    waiting = frame.own ? [...waiting.filter((one) => one.own), frame, ...others] : [...waiting, frame];
    flush();
    line.demand();
  };

  const exchange: Exchange = {
    flush,
    send: ({ event, data }) => post({ encoded: codec.encode({ event, data }), fail: report }),
    ask: ({ event, data, own }, sink, { timeoutMs = own ? OWN_TIMEOUT_MS : TIMEOUT_MS, signal } = {}) => {
      let id = 0;
      try {
        id = expect(sink, timeoutMs, signal);
        const encoded = codec.encode({ event, data, id });
        post({ id, encoded, own, fail: (error) => fail(id, error) });
      } catch (error) {
        end(id);
        sink.fail(error);
      }
      return id;
    },
    pause: (ms, signal) =>
      new Promise((resolve) => {
        const settle = (): void => resolve();
        expect({ reply: settle, fail: settle }, ms, signal);
      }),
    request: (message, options) =>
      new Promise((resolve, reject) => {
        const reply = (data: unknown): void => {
          end(id);
          resolve(data);
        };
        const id = exchange.ask(message, { reply, fail: reject }, options);
      }),
    stream: async function* (message, options) {
      const replies = createBacklog<unknown>(MAX_UNREAD_REPLIES);
      const reply = (data: unknown, last: boolean): void => {
        if (data !== undefined) replies.push(data);
        if (last) replies.finish();
      };
      const id = exchange.ask(message, { reply, fail: replies.fail }, options);
      try {
        yield* replies.read();
      } finally {
        end(id);
      }
    },
    receive: ({ id, error, data, more, done }) => {
      const one = pending.get(id);
      if (error) {
        if (id === undefined) report(new RealtimeError(error));
        else fail(id, new RealtimeError(error));
      } else if (one) {
        const last = !more || !!done;
        clearTimeout(one.timer);
        // Out of the map first: the sink may send again.
        if (last) end(id);
        one.sink.reply(data, last);
      }
    },
    opened: () => pace.opened(line.welcome()?.messages),
    cut: () => {
      clearTimeout(timer);
      waiting = waiting.filter(({ own }) => !own);
      failSent(() => failure('unavailable', 'The connection was lost'));
    },
    stop: () => {
      for (const frame of waiting.splice(0)) frame.fail(stopped());
      failSent(stopped);
    },
  };
  return exchange;
}
