import type { Welcome } from '@aerie/protocol';
import { byteLength, type Encoded } from './codec.js';
import { failure } from './errors.js';
import { NO_TRIES, nextStep, type Ending, type Step, type Tries } from './reconnect-policy.js';
import { ReconnectWait } from './reconnect-wait.js';
import type { ServerFrame } from './server-frame.js';
import type { Cause, RealtimeState } from './state.js';
import { Transport, type TransportSetup } from './transport.js';

const MAX_BUFFERED_BYTES = 1024 * 1024;
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
  #transport: Transport | undefined;
  #wait: ReconnectWait | undefined;

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
    if (this.#state.status !== 'idle' && this.#state.status !== 'stopped') return;
    this.#tries = NO_TRIES;
    this.#attempt();
  }

  /** Begins where nothing was begun yet: a stop stays a stop. */
  demand(): void {
    if (this.#state.status === 'idle') this.start();
  }

  stop(): void {
    this.#transport?.close();
    this.#wait?.cancel();
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
    const { answer, ...lost } = ending;
    const step = nextStep(change === 'next' || !answer ? lost : ending, this.#tries);
    if (step.action === 'stop') return this.#stopped(step.cause);
    this.#tries = step.tries;
    this.#waitFor(step);
  }

  #waitFor({ ms, patient, tries, cause }: Step & { readonly action: 'wait' }): void {
    this.#wait = new ReconnectWait({ ms, wakeable: !patient, done: () => this.#attempt() });
    this.#enter({ status: 'waiting', retryInMs: ms, attempt: tries.attempt + 1, cause });
  }

  #stopped(cause: Cause): void {
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
