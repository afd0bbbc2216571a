import type { Welcome } from '@aerie/protocol';
import type { Line } from './exchange.js';
import { isOffline, watchPage } from './page.js';
import { NO_TRIES, nextStep, type Ending, type Step, type Tries } from './reconnect-policy.js';
import type { ServerFrame } from './server-frame.js';
import type { Cause, RealtimeState } from './state.js';
import type { OpenTransport, Transport, TransportSetup } from './transport.js';

/** No server may silence a client for longer. */
const MAX_WAIT_MS = 3_600_000;
/** Between two tries where a browser says that there is no network: it may be wrong. */
const OFFLINE_MS = 60_000;
/** From one try to the next, however often the page wakes. */
const LEAST_GAP_MS = 500;

export interface ConnectionSetup extends Omit<TransportSetup, 'wait'> {
  readonly open: OpenTransport;
}

export interface ConnectionEvents {
  /** Open again, before `state` says so: what must be sent first is sent here. */
  readonly open: (welcome: Welcome) => void;
  readonly frame: (frame: ServerFrame) => void;
  /** An open connection ended; what was sent on it may or may not have arrived. */
  readonly cut: () => void;
  readonly stopped: () => void;
  readonly state: (state: RealtimeState) => void;
}

/** Keeps one transport open: starts attempts, waits between them as the policy says, stops when told to. */
export interface Connection extends Line {
  state(): RealtimeState;
  /** Begins, also after a stop. Does nothing while it runs. */
  start(): void;
  stop(): void;
}

export function createConnection(setup: ConnectionSetup, events: ConnectionEvents): Connection {
  let state: RealtimeState = { status: 'idle' };
  let tries: Tries = NO_TRIES;
  let triedAt = 0;
  let transport: Transport | undefined;
  /** What is waited for, where the client chose to. What the server chose has no other end than its own. */
  let pause: Step | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: AbortController | undefined;

  const enter = (next: RealtimeState, first?: () => void): void => {
    const before = state.status;
    state = next;
    if (before === 'open') events.cut();
    first?.();
    if (state === next) events.state(next);
  };

  const wait = (ms: number, then: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  };

  const attempt = (): void => {
    pause = undefined;
    triedAt = performance.now();
    transport = setup.open(
      { ...setup, wait },
      {
        ...events,
        welcome: (welcome) => enter({ status: 'open', welcome }, () => events.open(welcome)),
        end: ended,
      },
    );
    enter({ status: 'connecting', attempt: tries.attempt + 1 });
  };

  const ended = (ending: Ending): void => {
    const step = nextStep(ending, tries);
    tries = step;
    transport = undefined;
    if (step.ms === undefined) return stopped(step.cause);
    pause = step.patient ? undefined : step;
    rest(step);
  };

  const rest = ({ cause, ms = 0, attempt: number }: Step): void => {
    const offline = pause && isOffline();
    const retryInMs = offline ? OFFLINE_MS : Math.min(ms, MAX_WAIT_MS);
    wait(retryInMs, attempt);
    enter({ status: 'waiting', retryInMs, attempt: number + 1, cause, ...(offline && { offline }) });
  };

  const stopped = (cause: Cause): void => {
    clearTimeout(timer);
    running?.abort();
    running = undefined;
    if (state.status !== 'stopped') enter({ status: 'stopped', cause }, events.stopped);
  };

  const look = (): void => {
    transport?.probe();
    if (!pause) return;
    if (!isOffline()) wait(Math.max(0, triedAt + LEAST_GAP_MS - performance.now()), attempt);
    else if (!('offline' in state)) rest(pause);
  };

  const start = (): void => {
    if (running) return;
    running = new AbortController();
    watchPage(look, running.signal);
    tries = NO_TRIES;
    attempt();
  };

  return {
    state: () => state,
    welcome: () => (state as { readonly welcome?: Welcome }).welcome,
    stopped: () => state.status === 'stopped',
    start,
    demand: () => {
      // A stop stays a stop.
      if (state.status === 'idle') start();
    },
    stop: () => {
      transport?.close();
      stopped({ code: 1000, reason: 'normal' });
    },
    send: (encoded) => transport?.send(encoded),
  };
}
