import { ERROR_STATUS, type ErrorBody, type Welcome } from '@aerie/protocol';
import type { Codec, Encoded } from './codec.js';
import type { Credentials } from './credentials.js';
import { askWhy } from './dry-run.js';
import type { Report } from './emitter.js';
import { RealtimeError } from './errors.js';
import { Liveness } from './liveness.js';
import type { Ending } from './reconnect-policy.js';
import { fieldsOf, isFields, readFrame, readWelcome, type ServerFrame } from './server-frame.js';
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

const MAX_EARLY_FRAMES = 100;
const LOST = { code: 1006, reason: '' };

/** One attempt and what comes of it: credential, wire, `$welcome`, frames, end, and the question why. */
export class Transport {
  readonly #setup: TransportSetup;
  readonly #events: TransportEvents;
  readonly #abort = new AbortController();
  readonly #deadline: ReturnType<typeof setTimeout>;
  #wire: Wire | undefined;
  #reached: Reached | undefined;
  #liveness: Liveness | undefined;
  #credential = '';
  /** What the application sent before `$welcome`: a gateway's `handleConnection` greets its client. */
  readonly #early: ServerFrame[] = [];
  #welcomedAt: number | undefined;
  /** When to come back, as the server's latest `$reconnect` said; counted from its receipt. */
  #dueAt: number | undefined;
  #error: ErrorBody | undefined;
  #ended = false;

  constructor(setup: TransportSetup, events: TransportEvents) {
    this.#setup = setup;
    this.#events = events;
    this.#deadline = setTimeout(
      () => this.#end({ ...LOST, reason: 'not welcomed in time' }),
      setup.connectTimeoutMs,
    );
    void this.#open();
  }

  /** Bytes that `send` took and the network did not yet. */
  get bufferedBytes(): number {
    return this.#wire?.bufferedBytes ?? 0;
  }

  /** What the codec wrote, in the subprotocol that the server chose. */
  translate(encoded: Encoded): Encoded {
    return this.#setup.codec.translate(encoded, this.#wire?.protocol ?? '');
  }

  /** Sends what was translated. */
  send(data: Encoded): void {
    this.#wire?.send(data);
  }

  /** Looks whether the server is still there, where it was. */
  probe(): void {
    this.#liveness?.probe();
  }

  /** Says goodbye. No event follows. */
  close(): void {
    this.#release();
    this.#abort.abort();
    this.#wire?.close();
  }

  async #open(): Promise<void> {
    try {
      this.#credential = await this.#setup.credentials.obtain();
      if (!this.#ended) this.#connect();
    } catch (error) {
      if (!this.#ended) this.#refuse(error);
    }
  }

  #connect(): void {
    const { plan, ...setup } = this.#setup;
    this.#reached = 'nothing';
    this.#wire = plan.current.open(
      { ...setup, credential: this.#credential },
      {
        opened: () => (this.#reached = 'opened'),
        received: (data) => this.#receive(data),
        alive: () => this.#liveness?.heard(),
        closed: (close) => this.#end(close),
      },
    );
    // Its owner may have said goodbye while it was being made.
    if (this.#ended) this.#wire.drop();
  }

  /** The application had no credential: its error code decides like the same answer of the server. */
  #refuse(error: unknown): void {
    this.#setup.report(error);
    this.#release();
    const known = error instanceof RealtimeError;
    const answer = known && {
      answer: { status: ERROR_STATUS[error.code], error: { code: error.code, message: error.message } },
    };
    this.#events.end({ ...LOST, reason: 'no credential', ...answer });
  }

  #receive(data: unknown): void {
    if (this.#ended) return;
    this.#liveness?.heard();
    const frame = readFrame(data, this.#setup.codec);
    if (!frame) return;
    if (frame.kind === 'system' && frame.event === '$reconnect') this.#comeBack(frame.data);
    else if (this.#welcomedAt !== undefined) this.#events.frame(frame);
    else if (frame.kind === 'error') this.#error = frame.error;
    else if (frame.kind === 'system' && frame.event === '$welcome' && isFields(frame.data))
      this.#welcome(frame.data);
    else if (frame.kind === 'direct' || frame.kind === 'publication') this.#keep(frame);
  }

  #comeBack(data: unknown): void {
    const { afterMs } = fieldsOf(data);
    if (typeof afterMs === 'number') this.#dueAt = performance.now() + afterMs;
  }

  #keep(frame: ServerFrame): void {
    if (this.#early.length < MAX_EARLY_FRAMES) this.#early.push(frame);
  }

  #welcome(data: unknown): void {
    clearTimeout(this.#deadline);
    const welcome = readWelcome(data);
    this.#welcomedAt = performance.now();
    this.#reached = 'welcomed';
    this.#liveness = new Liveness(welcome.heartbeat, {
      ping: () => this.#ping(),
      dead: () => this.#end({ ...LOST, reason: 'no sign of life' }),
    });
    this.#events.welcome(welcome);
    for (const frame of this.#early.splice(0)) if (!this.#ended) this.#events.frame(frame);
    // The answer tells how far off the clock is by which the session is renewed.
    if (welcome.expiresAt !== null) this.#ping();
  }

  #ping(): void {
    if (!this.#ended) this.#say({ event: '$ping' });
  }

  #say(message: object): void {
    this.send(this.translate(this.#setup.codec.encode(message)));
  }

  #end({ code, reason, answer }: WireClose): void {
    if (this.#ended) return;
    this.#release();
    this.#wire?.drop();
    const now = performance.now();
    const openMs = this.#welcomedAt && now - this.#welcomedAt;
    const remainderMs = this.#dueAt && Math.max(0, this.#dueAt - now);
    const ending = { code, reason, answer, openMs, remainderMs, error: this.#error, reached: this.#reached };
    const unexplained = code === LOST.code && openMs === undefined && this.#wire?.hidesRefusals !== false;
    if (unexplained) void this.#askWhy(ending);
    else this.#events.end(ending);
  }

  async #askWhy(ending: Ending): Promise<void> {
    const { credentials, fetch } = this.#setup;
    const { signal } = this.#abort;
    // The attempt used the ticket up, so asking with it again would always be answered 401.
    const credential = credentials.singleUse ? await credentials.obtain().catch(() => '') : this.#credential;
    const answer = await askWhy(credentials.dryRun(credential), { fetch, signal });
    if (!signal.aborted) this.#events.end({ ...ending, answer });
  }

  #release(): void {
    this.#ended = true;
    clearTimeout(this.#deadline);
    this.#liveness?.stop();
    this.#liveness = undefined;
  }
}
