import type { ErrorBody, Welcome } from '@aerie/protocol';
import { byteLength, type Codec, type Encoded } from './codec.js';
import type { Credentials } from './credentials.js';
import { askWhy } from './dry-run.js';
import type { Report } from './emitter.js';
import { failure, hasCode, type RealtimeError } from './errors.js';
import { watchLiveness, type Liveness } from './liveness.js';
import type { Ending } from './reconnect-policy.js';
import { fieldsOf, readFrame, type ServerFrame } from './server-frame.js';
import type { Reached, TransportPlan, Wire, WireClose } from './wire.js';

export interface TransportSetup {
  readonly credentials: Credentials;
  readonly codec: Codec;
  readonly plan: TransportPlan;
  readonly fetch: typeof globalThis.fetch;
  /** From the start of an attempt to `$welcome`. */
  readonly connectTimeoutMs: number;
  readonly report: Report;
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
  /** Looks whether the server is still there, where it was. */
  probe(): void;
  /** Says goodbye. No event follows. */
  close(): void;
}

const MAX_EARLY_FRAMES = 100;
const MAX_BUFFERED_BYTES = 1024 * 1024;
const LOST = { code: 1006, reason: '' };

/** One attempt and what comes of it: credential, wire, `$welcome`, frames, end, and the question why. */
export function openTransport(setup: TransportSetup, events: TransportEvents): Transport {
  const { credentials, codec, plan, report } = setup;
  const abort = new AbortController();
  /** What the application sent before `$welcome`: a gateway's `handleConnection` greets its client. */
  const early: ServerFrame[] = [];
  let wire: Wire | undefined;
  let reached: Reached | undefined;
  let liveness: Liveness | undefined;
  let credential = '';
  let welcome: Welcome | undefined;
  let welcomedAt = 0;
  /** When to come back, as the server's latest `$reconnect` said; counted from its receipt. */
  let dueAt: number | undefined;
  let error: ErrorBody | undefined;
  let ended = false;

  const release = (): void => {
    ended = true;
    clearTimeout(deadline);
    liveness?.stop();
  };

  const end = ({ code, reason, answer }: WireClose): void => {
    if (ended) return;
    release();
    wire?.drop();
    const now = performance.now();
    const ending = {
      code,
      reason,
      answer,
      error,
      reached,
      openMs: welcome && now - welcomedAt,
      remainderMs: dueAt && Math.max(0, dueAt - now),
    };
    if (code === LOST.code && !welcome && wire?.hidesRefusals !== false) void explain(ending);
    else events.end(ending);
  };

  const explain = async (ending: Ending): Promise<void> => {
    const { signal } = abort;
    // The attempt used the ticket up, so asking with it again would always be answered 401.
    const value = credentials.singleUse ? await credentials.obtain().catch(() => '') : credential;
    const answer = await askWhy(credentials.dryRun(value), { fetch: setup.fetch, signal });
    if (!signal.aborted) events.end({ ...ending, answer });
  };

  const send = (encoded: Encoded): void => {
    const data = codec.translate(encoded, wire?.protocol() ?? '');
    const bytes = byteLength(data);
    const limit = welcome?.maxFrameBytes ?? 0;
    if (bytes > limit) throw failure('too_large', `A frame may have ${limit} bytes, not ${bytes}`);
    if ((wire?.bufferedBytes() ?? 0) > MAX_BUFFERED_BYTES)
      throw failure('overloaded', 'The network takes less than is being sent');
    wire?.send(data);
  };

  const greet = (said: Welcome): void => {
    clearTimeout(deadline);
    welcome = said;
    welcomedAt = performance.now();
    reached = 'welcomed';
    liveness = watchLiveness(welcome.heartbeat, {
      ping: () => !ended && wire?.send(codec.translate(codec.encode({ event: '$ping' }), wire.protocol())),
      dead: () => end({ ...LOST, reason: 'no sign of life' }),
    });
    events.welcome(welcome);
    for (const frame of early.splice(0)) if (!ended) events.frame(frame);
  };

  const receive = (data: unknown): void => {
    if (ended) return;
    liveness?.heard();
    try {
      take(readFrame(data, codec));
    } catch (thrown) {
      // Of a server that keeps to the protocol there is no such frame.
      report(thrown);
      end({ ...LOST, reason: 'not understood' });
    }
  };

  const take = (frame: ServerFrame): void => {
    if (frame.event === '$reconnect') {
      const { afterMs } = fieldsOf(frame.data);
      if (afterMs !== undefined) dueAt = performance.now() + afterMs;
    } else if (welcome) events.frame(frame);
    else if (frame.event === '$welcome') {
      // The wire's own: nobody else is to see it.
      const { resume: _, ...said } = fieldsOf(frame.data);
      greet(said as Welcome);
    } else if (frame.error) error = frame.error;
    else if (early.length < MAX_EARLY_FRAMES) early.push(frame);
  };

  const open = async (): Promise<void> => {
    try {
      credential = await credentials.obtain();
      if (ended) return;
      reached = 'nothing';
      wire = plan.current.open(
        { ...setup, credential },
        {
          opened: () => (reached = 'opened'),
          received: receive,
          alive: () => liveness?.heard(),
          closed: end,
        },
      );
      // Its owner may have said goodbye while it was being made.
      if (ended) wire.drop();
    } catch (thrown) {
      if (ended) return;
      release();
      // The application's error code decides like the same answer of the server.
      const status = hasCode(thrown, 'forbidden') ? 403 : hasCode(thrown, 'unauthenticated') && 401;
      const answer = status && { answer: { status, error: thrown as RealtimeError } };
      events.end({ ...LOST, reason: 'no credential', ...answer });
      // Last, as who hears of it may close the client.
      report(thrown);
    }
  };

  const deadline = setTimeout(() => end({ ...LOST, reason: 'not welcomed in time' }), setup.connectTimeoutMs);
  void open();
  return {
    send,
    probe: () => liveness?.probe(),
    close: () => {
      release();
      abort.abort();
      wire?.close();
    },
  };
}
