import { Logger, type BeforeApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import type { Admission } from '../connections/admission.js';
import { within } from '../deadline.js';
import { GiveAway, type DrainedRegistry, type GiveAwayOptions } from './give-away.js';

/** In order. `lame-duck`: readiness is off, upgrades are still accepted. `draining`: upgrades get 503, connections go. */
export const DRAIN_PHASES = ['idle', 'lame-duck', 'draining', 'drained'] as const;
export type DrainPhase = (typeof DRAIN_PHASES)[number];

/** How far a drain is, as `/internal/drain` and health show it. */
export interface DrainReport {
  readonly state: DrainPhase;
  /** Connections that are still here. */
  readonly remaining: number;
  /** Epoch milliseconds; null before it began. */
  readonly startedAt: number | null;
}

export interface DrainOptions {
  /** How long giving the connections away may take. Milliseconds, default 30,000. */
  readonly windowMs?: number | undefined;
  /** How long upgrades are still accepted after readiness went off: endpoints lag behind it. Milliseconds, default 0. */
  readonly lameDuckMs?: number | undefined;
}

/** What of a node a drain acts on. */
export interface DrainedNode {
  readonly registry: DrainedRegistry;
  readonly admission: Pick<Admission, 'state' | 'beginLameDuck' | 'closeDoor'>;
}

type PhaseListener = (phase: DrainPhase) => void | Promise<void>;

const LISTENER_MS = 5_000;

/**
 * Gives this node's connections away before it stops: readiness off, everyone told when to come back, each closed with
 * 1001 in its own slot, upgrades refused. One drain in a process' life; whoever begins it again joins it.
 */
export class Drain implements OnModuleDestroy, BeforeApplicationShutdown {
  readonly windowMs: number;
  readonly lameDuckMs: number;
  readonly #node: DrainedNode;
  readonly #logger = new Logger('AerieDrain');
  readonly #listeners = new Set<PhaseListener>();
  #phase: DrainPhase = 'idle';
  #startedAt: number | null = null;
  #running: Promise<void> | undefined;
  #exit: (() => void) | undefined;

  constructor(node: DrainedNode, options: DrainOptions = {}) {
    this.#node = node;
    this.windowMs = options.windowMs ?? 30_000;
    this.lameDuckMs = options.lameDuckMs ?? 0;
  }

  get phase(): DrainPhase {
    return this.#phase;
  }

  get report(): DrainReport {
    return { state: this.#phase, remaining: this.#node.registry.size, startedAt: this.#startedAt };
  }

  /**
   * Calls `listener` at each new phase; the returned function stops that. The drain waits at most 5 s for what listeners
   * do at `drained`; the drivers are still open then.
   */
  onPhase(listener: PhaseListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Starts the drain, or joins the one that runs. Resolves when no connection is left; never rejects. */
  begin(): Promise<void> {
    this.#running ??= this.#run('paced');
    return this.#running;
  }

  /** Says how the process ends after `leave`; `drainOnSignals` does. */
  exitBy(exit: () => void): void {
    this.#exit = exit;
  }

  /** Drains and then ends the process, as a SIGTERM would. */
  async leave(): Promise<void> {
    await this.begin();
    if (this.#exit === undefined) process.kill(process.pid, 'SIGTERM');
    else this.#exit();
  }

  /** Whoever is not drained by now loses what handshakes need: from here on nobody comes in. */
  onModuleDestroy(): void {
    this.#node.admission.closeDoor();
  }

  /**
   * The fall-back for `enableShutdownHooks`, where a signal runs the whole drain. An `app.close()` of the application
   * itself closes everyone now; the notices still spread their return over the window.
   */
  async beforeApplicationShutdown(signal?: string): Promise<void> {
    this.#running ??= this.#run(signal === undefined ? 'at-once' : 'paced');
    await this.#running;
  }

  async #run(pace: GiveAwayOptions['pace']): Promise<void> {
    const { registry, admission } = this.#node;
    this.#startedAt = Date.now();
    if (admission.state !== 'closed' && this.lameDuckMs > 0) await this.#lameDuck();
    admission.closeDoor();
    void this.#enter('draining');
    await new GiveAway({ registry, windowMs: this.windowMs, pace }).run();
    await this.#enter('drained');
  }

  async #lameDuck(): Promise<void> {
    this.#node.admission.beginLameDuck();
    void this.#enter('lame-duck');
    await new Promise((resolve) => setTimeout(resolve, this.lameDuckMs));
  }

  async #enter(phase: DrainPhase): Promise<void> {
    this.#phase = phase;
    this.#logger.log(`${phase}: ${this.#node.registry.size} connections`);
    const told = Promise.all([...this.#listeners].map((listener) => this.#notify(listener)));
    await within(LISTENER_MS, told, () => undefined);
  }

  async #notify(listener: PhaseListener): Promise<void> {
    try {
      await listener(this.#phase);
    } catch (error) {
      this.#logger.error(
        `a listener failed at ${this.#phase}`,
        error instanceof Error ? error.stack : String(error),
      );
    }
  }
}
