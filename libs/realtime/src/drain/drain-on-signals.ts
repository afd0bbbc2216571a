import { Logger, type INestApplicationContext } from '@nestjs/common';
import { Drain } from './drain.js';

export interface DrainOnSignalsOptions {
  /** Default SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
}

/** A signal sent twice in a row (a shell's Ctrl-C reaches npm and node) is one. */
const FORCE_AFTER_MS = 1_000;

/**
 * Makes signals drain the node before the application closes. Used in `main.ts` instead of `enableShutdownHooks`, whose
 * `onModuleDestroy` would close databases under connections that are still served. The first signal begins the drain or
 * joins the one that runs, closes the application and exits 0, or 1 if closing failed. A further signal more than 1 s
 * later exits 1 at once. Works as PID 1.
 */
export async function drainOnSignals(
  app: INestApplicationContext,
  { signals = ['SIGTERM', 'SIGINT'] }: DrainOnSignalsOptions = {},
): Promise<void> {
  const drain = app.get(Drain, { strict: false });
  const departure = new Departure(app, drain);
  for (const signal of signals) process.on(signal, () => departure.onSignal(signal));
  drain.exitBy(() => departure.begin());
}

/** The one way in which a drained process ends. */
class Departure {
  readonly #logger = new Logger('AerieDrain');
  readonly #app: INestApplicationContext;
  readonly #drain: Drain;
  #signalledAt: number | undefined;
  #begun = false;

  constructor(app: INestApplicationContext, drain: Drain) {
    this.#app = app;
    this.#drain = drain;
  }

  onSignal(signal: NodeJS.Signals): void {
    const now = performance.now();
    if (this.#signalledAt !== undefined && now - this.#signalledAt > FORCE_AFTER_MS) this.#force(signal);
    this.#signalledAt ??= now;
    this.begin();
  }

  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    void this.#leave();
  }

  async #leave(): Promise<void> {
    try {
      await this.#drain.begin();
      await this.#app.close();
    } catch (error) {
      this.#logger.error('closing failed', error instanceof Error ? error.stack : String(error));
      process.exit(1);
    }
    process.exit(0);
  }

  #force(signal: NodeJS.Signals): never {
    this.#logger.warn(`${signal} again: exit with ${this.#drain.report.remaining} connections left`);
    process.exit(1);
  }
}
