import type { ErrorBody, Welcome } from '@aerie/protocol';
import { byteLength, type Encoded } from './codec.js';
import type { Report } from './emitter.js';
import { failure, hasCode, type RealtimeError } from './errors.js';
import type { Ending } from './reconnect-policy.js';
import { fieldsOf, readFrame, type ServerFrame } from './server-frame.js';
import type { Answer, Dial, Wire, WireClose, WireSetup, WireSocket } from './wire.js';

export interface TransportSetup extends Omit<WireSetup, 'credential'> {
  readonly dial: Dial;
  /** From the start of an attempt to `$welcome`. */
  readonly connectTimeoutMs: number;
  readonly report: Report;
  /** Calls after that time, unless it is told to wait for something else, or all ends: one waits for one thing at a time. */
  readonly wait: (ms: number, then: () => void) => void;
}

export interface TransportEvents {
  readonly welcome: (welcome: Welcome) => void;
  readonly frame: (frame: ServerFrame) => void;
  /** Once, and never after `close()`. */
  readonly end: (ending: Ending) => void;
}

export interface Transport {
  /** @throws RealtimeError `too_large` past the server's frame limit, `overloaded` when 1 MiB waits for the network. */
  send(encoded: Encoded): void;
  /** Asks whether the server is still there, where it was, and gives up 5 s later: time may have passed that no timer saw. */
  probe(): void;
  /** Says goodbye. No event follows. */
  close(): void;
}

/** Begins an attempt. */
export type OpenTransport = (setup: TransportSetup, events: TransportEvents) => Transport;

/** Tries other kinds where the client's own doesn't get through: `fallbacks()` of `@aerie/client/fallbacks` does. */
export type Fallbacks = (open: OpenTransport) => OpenTransport;

const MAX_EARLY_FRAMES = 100;
const MAX_BUFFERED_BYTES = 1024 * 1024;
/** A server that can be reached answers sooner; what can't be is to be replaced while somebody looks. */
const PROBE_MS = 5_000;
const LOST = 1006;

/** One attempt and what comes of it: credential, wire, `$welcome`, frames, end, and the question why. */
export const openTransport: OpenTransport = (setup, events) => {
  const { credentials, codec, connectTimeoutMs, wait, report } = setup;
  const abort = new AbortController();
  /** What the application sent before `$welcome`: a gateway's `handleConnection` greets its client. */
  const early: unknown[] = [];
  let socket: WireSocket | undefined;
  let why: Wire['why'] | undefined;
  /** 0: not yet. */
  let welcomedAt = 0;
  let maxFrameBytes: number;
  let intervalMs: number;
  let timeoutMs: number;
  let heardAt: number;
  /** When it is given up, if a sign of life was asked for. */
  let overAt = Infinity;
  /** When to come back, as the server's latest `$reconnect` said; counted from its receipt. 0: it didn't. */
  let dueAt = 0;
  let error: ErrorBody | undefined;
  let ended = false;

  const end = ({ code, reason }: WireClose, answer?: Answer): void => {
    if (ended) return;
    ended = true;
    const now = performance.now();
    const tell = (said?: Answer): void => {
      if (abort.signal.aborted) return;
      abort.abort();
      // A coarse clock may show no time at all.
      const openMs = welcomedAt && Math.max(1, now - welcomedAt);
      events.end({ code, reason, answer: said, error, openMs, afterMs: dueAt - now });
    };
    if (socket?.terminate) socket.terminate();
    else socket?.close();
    if (code !== LOST || welcomedAt || !why) return tell(answer);
    wait(connectTimeoutMs / 2, tell);
    why(abort.signal).then(tell, () => tell());
  };

  const lose = (reason: string, answer?: Answer): void => end({ code: LOST, reason }, answer);

  const onWire = (encoded: Encoded): Encoded => codec.translate(encoded, socket?.protocol);

  const send = (encoded: Encoded): void => {
    const data = onWire(encoded);
    if (byteLength(data) > maxFrameBytes) throw failure('too_large', `more than ${maxFrameBytes} bytes`);
    if (socket && socket.bufferedAmount > MAX_BUFFERED_BYTES)
      throw failure('overloaded', 'too much is waiting');
    socket?.send(data);
  };

  // A browser doesn't show the protocol's pings, so after an interval without a frame this asks for one.
  const listen = (): void => {
    const leftMs = heardAt + intervalMs - performance.now();
    if (leftMs > 0) wait(leftMs, listen);
    else ping(timeoutMs);
  };

  const ping = (ms: number): void => {
    overAt = performance.now() + ms;
    // A loop that stalled has frames waiting behind its timers: they get one pass to prove the server alive.
    wait(ms, () => wait(1, () => (overAt === Infinity ? listen() : lose('no answer'))));
    socket?.send(onWire(codec.encode({ event: '$ping' })));
  };

  const probe = (): void => {
    // Not where an answer is due soon, or only just overdue.
    if (welcomedAt && Math.abs(overAt - performance.now()) > PROBE_MS) ping(Math.min(timeoutMs, PROBE_MS));
  };

  const greet = (welcome: Welcome): void => {
    welcomedAt = heardAt;
    ({
      maxFrameBytes,
      heartbeat: { intervalMs, timeoutMs },
    } = welcome);
    listen();
    events.welcome(welcome);
    for (const data of early.splice(0)) received(data);
  };

  const received = (data?: unknown): void => {
    if (ended) return;
    // With each frame, so it arms no timer.
    heardAt = performance.now();
    overAt = Infinity;
    if (data === undefined) return;
    try {
      take(readFrame(data, codec), data);
    } catch (thrown) {
      // Of a server that keeps to the protocol there is no such frame.
      report(thrown);
      lose('not understood');
    }
  };

  const take = (frame: ServerFrame, data: unknown): void => {
    if (frame.event === '$reconnect') dueAt = performance.now() + (fieldsOf(frame.data).afterMs ?? 0);
    else if (welcomedAt) events.frame(frame);
    else if (frame.event === '$welcome') greet(fieldsOf(frame.data) as Welcome);
    else if (frame.error) error = frame.error;
    else if (early.length < MAX_EARLY_FRAMES) early.push(data);
  };

  const open = async (): Promise<void> => {
    try {
      const credential = await credentials.obtain();
      if (ended) return;
      ({ socket, why } = setup.dial({ ...setup, credential }, { received, closed: end }));
      // Its owner may have said goodbye while it was being made.
      if (ended) socket.close(1000);
    } catch (thrown) {
      if (ended) return;
      // The application's error code decides like the same answer of the server.
      const status = hasCode(thrown, 'forbidden') ? 403 : hasCode(thrown, 'unauthenticated') && 401;
      lose('no credential', status ? { status, error: thrown as RealtimeError } : undefined);
      // Last, as who hears of it may close the client.
      report(thrown);
    }
  };

  wait(connectTimeoutMs, () => lose('no welcome'));
  void open();
  return {
    send,
    probe,
    close: () => {
      ended = true;
      abort.abort();
      socket?.close(1000);
    },
  };
};
