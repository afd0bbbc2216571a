import type { Welcome } from '@aerie/protocol';
import { byteLength, type Encoded } from './codec.js';
import type { Unlisten } from './emitter.js';
import { failure } from './errors.js';
import { NO_TRIES, nextStep, type Ending, type Step, type Tries } from './reconnect-policy.js';
import { isOffline, watchPage } from './page.js';
import type { ServerFrame } from './server-frame.js';
import type { Cause, RealtimeState } from './state.js';
import { Transport, type TransportSetup } from './transport.js';

const MAX_BUFFERED_BYTES = 1024 * 1024;
/** No server may silence a client for longer. */
const MAX_WAIT_MS = 3_600_000;
/** Between two tries where a browser says that there is no network: it may be wrong. */
const OFFLINE_MS = 60_000;
/** From one try to the next, however often the page wakes. */
const LEAST_GAP_MS = 500;
const GOODBYE: Cause = { code: 1000, reason: 'normal' };

export interface ConnectionEvents {
  /** Open again, before `state` says so: what must be sent first is sent here. */
  readonly open: (welcome: Welcome) => void;
  readonly frame: (frame: ServerFrame) => void;
  /** An open connection ended, with this close code; what was sent on it may or may not have arrived. */
  readonly cut: (code: number) => void;
  readonly stopped: () => void;
  readonly state: (state: RealtimeState) => void;
}

/** Keeps one transport open: starts attempts, waits between them as the policy says, stops when told to. */
export class Connection {
  readonly #setup: TransportSetup;
  readonly #events: ConnectionEvents;
  #state: RealtimeState = { status: 'idle' };
  #tries: Tries = NO_TRIES;
  #triedAt = 0;
  #transport: Transport | undefined;
  /** What is waited for; nothing else than its end where the server chose it. */
  #pause: Pause | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unwatch: Unlisten | undefined;

  constructor(setup: TransportSetup, events: ConnectionEvents) {
    this.#setup = setup;
    this.#events = events;
  }

  get state(): RealtimeState {
    return this.#state;
  }

  get welcome(): Welcome | undefined {
    return this.#state.status === 'open' ? this.#state.welcome : undefined;
  }

  /** Begins, also after a stop. Does nothing while it runs. */
  start(): void {
    if (this.#unwatch) return;
    this.#unwatch = watchPage({ woke: () => this.#woke(), offline: () => this.#wentOffline() });
    this.#tries = NO_TRIES;
    this.#attempt();
  }

  /** Begins where nothing was begun yet: a stop stays a stop. */
  demand(): void {
    if (this.#state.status === 'idle') this.start();
  }

  stop(): void {
    this.#transport?.close();
    this.#stopped(GOODBYE);
  }

  /** @throws RealtimeError `too_large` past the server's frame limit, `overloaded` when 1 MiB waits for the network. */
  send(encoded: Encoded): void {
    const data = this.#transport?.translate(encoded) ?? encoded;
    const bytes = byteLength(data);
    const limit = this.welcome?.maxFrameBytes ?? 0;
    if (bytes > limit) throw failure('too_large', `A frame may have ${limit} bytes, not ${bytes}`);
    if ((this.#transport?.bufferedBytes ?? 0) > MAX_BUFFERED_BYTES) {
      throw failure('overloaded', 'The network takes less than is being sent');
    }
    this.#transport?.send(data);
  }

  #attempt(): void {
    this.#endPause();
    this.#triedAt = performance.now();
    this.#transport = new Transport(this.#setup, {
      welcome: (welcome) => this.#opened(welcome),
      frame: this.#events.frame,
      end: (ending) => this.#ended(ending),
    });
    this.#enter({ status: 'connecting', attempt: this.#tries.attempt + 1 });
  }

  #opened(welcome: Welcome): void {
    this.#setup.plan.welcomed();
    const state: RealtimeState = { status: 'open', welcome };
    this.#state = state;
    this.#events.open(welcome);
    if (this.#state === state) this.#events.state(state);
  }

  #ended(ending: Ending): void {
    const change = this.#setup.plan.ended(ending);
    if (change === 'now') return this.#attempt();
    const step = nextStep(change === 'next' ? { ...ending, answer: undefined } : ending, this.#tries);
    if (step.action === 'stop') return this.#stopped(step.cause);
    this.#tries = step.tries;
    this.#wait(step);
  }

  #wait(pause: Pause): void {
    const offline = !pause.patient && isOffline();
    const ms = Math.min(offline ? Math.max(pause.ms, OFFLINE_MS) : pause.ms, MAX_WAIT_MS);
    this.#pause = pause;
    this.#tryIn(ms);
    const { tries, cause } = pause;
    const state = { status: 'waiting', retryInMs: ms, attempt: tries.attempt + 1, cause } as const;
    this.#enter(offline ? { ...state, offline } : state);
  }

  #tryIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#attempt(), ms);
  }

  #endPause(): void {
    clearTimeout(this.#timer);
    this.#pause = undefined;
  }

  #woke(): void {
    this.#transport?.probe();
    if (!this.#pause || this.#pause.patient || isOffline()) return;
    this.#tryIn(Math.max(0, this.#triedAt + LEAST_GAP_MS - performance.now()));
  }

  #wentOffline(): void {
    this.#transport?.probe();
    if (this.#pause && !this.#pause.patient) this.#wait(this.#pause);
  }

  #stopped(cause: Cause): void {
    this.#endPause();
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#enter({ status: 'stopped', cause });
  }

  #enter(state: RealtimeState): void {
    const before = this.#state.status;
    if (before === 'stopped' && state.status === 'stopped') return;
    this.#state = state;
    if (before === 'open') this.#events.cut('cause' in state ? state.cause.code : GOODBYE.code);
    if (state.status === 'stopped') this.#events.stopped();
    if (this.#state === state) this.#events.state(state);
  }
}

type Pause = Step & { readonly action: 'wait' };
