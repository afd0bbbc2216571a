import type { Welcome } from '@aerie/protocol';
import { byteLength, type Codec, type Encoded } from './codec.js';
import type { Report, Unlisten } from './emitter.js';
import { failure, RealtimeError, stopped } from './errors.js';
import type { Abortable } from './events.js';
import { onAbort } from './on-abort.js';
import { createPace } from './pace.js';
import type { ServerFrame } from './server-frame.js';

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
  readonly own?: boolean | undefined;
}

/** Who waits for replies. Called in the order of the wire, synchronously, so that no later frame overtakes a reply. */
export interface ReplySink {
  /** `last`: no further reply comes. */
  readonly reply: (data: unknown, last: boolean) => void;
  readonly fail: Report;
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
  /** Sends a message whose replies, or failure, go to the sink. @returns Ends it: the sink hears no more. */
  ask(message: Outgoing, sink: ReplySink, options?: RequestOptions): Unlisten;
  /**
   * Resolves after that time, or sooner: at the signal, or when the connection goes or it stops.
   * @throws the reason of a signal that has aborted already.
   */
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
  encoded: Encoded;
  readonly own?: boolean | undefined;
  readonly fail: Report;
}

interface Pending extends Waiting, ReplySink {
  readonly id: number;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly end: () => boolean;
}

const full = (): RealtimeError => failure('overloaded', 'too much is waiting');

export function createExchange(line: Line, codec: Codec, report: Report): Exchange {
  const pace = createPace();
  const pending = new Map<unknown, Pending>();
  const own = new Set<Waiting>();
  const others = new Set<Waiting>();
  // 0 is the first message's `$auth`.
  let lastId = 0;
  let flushing: ReturnType<typeof setTimeout> | undefined;

  /** @throws the signal's reason. */
  const expect = (
    { reply, fail: failed }: ReplySink,
    ms: number,
    { signal, own: ahead }: Abortable & Pick<Outgoing, 'own'>,
  ): Pending => {
    // Whatever ends it ends it once: it is not sent any more, and hears no more.
    const end = (): boolean => {
      clearTimeout(one.timer);
      release();
      own.delete(one);
      others.delete(one);
      return pending.delete(one.id);
    };
    const fail = (error: unknown): void => {
      if (end()) failed(error);
    };
    const release = onAbort(signal, fail);
    const timer = setTimeout(fail, ms, failure('timeout', `no reply in ${ms} ms`));
    const one: Pending = { own: ahead, id: (lastId += 1), encoded: '', timer, reply, fail, end };
    pending.set(one.id, one);
    return one;
  };

  const flush = (ownOnly?: boolean): void => {
    while (line.welcome()) {
      const queue = ownOnly || own.size > 0 ? own : others;
      const [frame] = queue;
      const ms = frame && pace.take();
      if (ms) {
        clearTimeout(flushing);
        flushing = setTimeout(flush, ms);
      }
      if (!frame || ms) return;
      queue.delete(frame);
      try {
        line.send(frame.encoded);
      } catch (error) {
        frame.fail(error);
      }
    }
  };

  const waitingBytes = (): number => [...others].reduce((sum, { encoded }) => sum + byteLength(encoded), 0);

  /** @throws RealtimeError where it may neither leave nor wait. */
  const post = (frame: Waiting): void => {
    if (line.stopped()) throw stopped();
    if (frame.own && !line.welcome()) throw failure('unavailable', 'connection lost');
    (frame.own ? own : others).add(frame);
    flush(frame.own);
    if (others.has(frame) && (others.size > MAX_WAITING || waitingBytes() > MAX_WAITING_BYTES)) {
      others.delete(frame);
      throw full();
    }
    line.demand();
  };

  const exchange: Exchange = {
    flush,
    send: (message) => post({ encoded: codec.encode(message), fail: report }),
    ask: (
      { own: ahead, ...message },
      sink,
      { timeoutMs = ahead ? OWN_TIMEOUT_MS : TIMEOUT_MS, signal } = {},
    ) => {
      let one: Pending | undefined;
      try {
        if (pending.size >= MAX_PENDING) throw full();
        one = expect(sink, timeoutMs, { own: ahead, signal });
        one.encoded = codec.encode({ ...message, id: one.id });
        post(one);
      } catch (error) {
        (one ?? sink).fail(error);
      }
      return () => void one?.end();
    },
    pause: (ms, signal) =>
      new Promise((resolve) => {
        const settle = (): void => resolve();
        expect({ reply: settle, fail: settle }, ms, { signal });
      }),
    request: (message, options) =>
      new Promise((resolve, reject) => {
        const reply = (data: unknown): void => {
          // Of a stream the first counts.
          end();
          resolve(data);
        };
        const end = exchange.ask(message, { reply, fail: reject }, options);
      }),
    receive: ({ id, error, data, more, done }) => {
      const one = pending.get(id);
      if (error) (id === undefined ? report : one?.fail)?.(new RealtimeError(error));
      else if (one) {
        const last = !more || !!done;
        clearTimeout(one.timer);
        // Out of the map first: who hears it may send again.
        if (last) one.end();
        one.reply(data, last);
      }
    },
    opened: () => pace.opened(line.welcome()?.messages),
    cut: () => {
      clearTimeout(flushing);
      own.clear();
      for (const one of Array.from(pending.values()))
        if (!others.has(one)) one.fail(failure('unavailable', 'connection lost'));
    },
    stop: () => {
      const all = [...others, ...pending.values()];
      others.clear();
      for (const one of all) one.fail(stopped());
    },
  };
  return exchange;
}
