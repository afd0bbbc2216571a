import { Logger } from '@nestjs/common';

const QUIET_MS = 5_000;

/** Says why hooks fail, at most once in five seconds for each kind: a dead receiver must not flood the log too. */
export class HookLog {
  readonly #logger = new Logger('AerieHooks');
  readonly #silenced = new Map<string, { untilMs: number; count: number }>();

  /** `kind` is one of a few fixed words; `reason` never holds a payload. */
  failed(kind: string, reason: string): void {
    const now = performance.now();
    const last = this.#silenced.get(kind);
    if (last && now < last.untilMs) {
      last.count += 1;
      return;
    }
    this.#silenced.set(kind, { untilMs: now + QUIET_MS, count: 0 });
    const more = last && last.count > 0 ? ` (and ${last.count} more before)` : '';
    this.#logger.warn(`hook ${kind} failed: ${reason}${more}`);
  }
}
