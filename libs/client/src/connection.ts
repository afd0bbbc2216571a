import type { Welcome } from '@aerie/protocol';
import type { Unlisten } from './emitter.js';
import type { Line } from './exchange.js';
import { isOffline, watchPage } from './page.js';
import { NO_TRIES, nextStep, type Ending, type Step } from './reconnect-policy.js';
import type { ServerFrame } from './server-frame.js';
import type { Cause, RealtimeState } from './state.js';
import { openTransport, type Transport, type TransportSetup } from './transport.js';

/** No server may silence a client for longer. */
const MAX_WAIT_MS = 3_600_000;
/** Between two tries where a browser says that there is no network: it may be wrong. */
const OFFLINE_MS = 60_000;
/** From one try to the next, however often the page wakes. */
const LEAST_GAP_MS = 500;

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

export function createConnection(setup: TransportSetup, events: ConnectionEvents): Connection {
  let state: RealtimeState = { status: 'idle' };
  let tries = NO_TRIES;
  let triedAt = 0;
  let transport: Transport | undefined;
  /** What is waited for; nothing else than its end where the server chose it. */
  let pause: Step | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unwatch: Unlisten | undefined;

  const enter = (next: RealtimeState): void => {
    const before = state.status;
    const stops = next.status === 'stopped';
    if (stops && before === 'stopped') return;
    state = next;
    if (before === 'open') events.cut();
    if (stops) events.stopped();
    if (next.status === 'open') events.open(next.welcome);
    if (state === next) events.state(next);
  };

  const tryIn = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(attempt, ms);
  };

  const endPause = (): void => {
    clearTimeout(timer);
    pause = undefined;
  };

  const attempt = (): void => {
    endPause();
    triedAt = performance.now();
    transport = openTransport(setup, { welcome: opened, frame: events.frame, end: ended });
    enter({ status: 'connecting', attempt: tries.attempt + 1 });
  };

  const opened = (welcome: Welcome): void => {
    setup.plan.welcomed();
    enter({ status: 'open', welcome });
  };

  const ended = (ending: Ending): void => {
    const change = setup.plan.ended(ending);
    if (change === 'now') return attempt();
    const step = nextStep(change === 'next' ? { ...ending, answer: undefined } : ending, tries);
    tries = step.tries;
    if (step.ms === undefined) stopped(step.cause);
    else wait(step);
  };

  const wait = (step: Step): void => {
    const { cause, ms = 0, patient } = step;
    const offline = !patient && isOffline();
    const retryInMs = Math.min(offline ? Math.max(ms, OFFLINE_MS) : ms, MAX_WAIT_MS);
    pause = step;
    tryIn(retryInMs);
    enter({ status: 'waiting', retryInMs, attempt: tries.attempt + 1, cause, ...(offline && { offline }) });
  };

  const stopped = (cause: Cause): void => {
    endPause();
    unwatch?.();
    unwatch = undefined;
    enter({ status: 'stopped', cause });
  };

  const woke = (): void => {
    transport?.probe();
    if (pause && !pause.patient && !isOffline())
      tryIn(Math.max(0, triedAt + LEAST_GAP_MS - performance.now()));
  };

  const wentOffline = (): void => {
    transport?.probe();
    if (pause && !pause.patient) wait(pause);
  };

  const start = (): void => {
    if (unwatch) return;
    unwatch = watchPage(woke, wentOffline);
    tries = NO_TRIES;
    attempt();
  };

  return {
    state: () => state,
    welcome: () => (state.status === 'open' ? state.welcome : undefined),
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
