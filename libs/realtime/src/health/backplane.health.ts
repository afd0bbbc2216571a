import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { BackplaneWatch } from './backplane-watch.js';
import { REALTIME_HEALTH_OPTIONS, type RealtimeHealthOptions } from './health-options.js';

const NOT_SHARED = 'this backplane reaches no other node';

/** What the backplane's probes say; how much a failure weighs is the option `backplane`. */
@Injectable()
export class BackplaneHealthIndicator {
  constructor(
    private readonly health: HealthIndicatorService,
    private readonly watch: BackplaneWatch,
    @Inject(REALTIME_HEALTH_OPTIONS) private readonly options: RealtimeHealthOptions,
  ) {}

  check<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const { up, ...facts } = this.watch.status;
    const check = this.health.check(key);
    if (!facts.shared && this.options.requireSharedBackplane === true)
      return check.down({ ...facts, reason: NOT_SHARED });
    if (up) return check.up({ ...facts, ...this.#warning(facts.shared) });
    return this.options.backplane === 'required' ? check.down(facts) : check.degraded(facts);
  }

  #warning(shared: boolean): { readonly warning?: string } {
    const production = this.options.production ?? process.env['NODE_ENV'] === 'production';
    return production && !shared ? { warning: NOT_SHARED } : {};
  }
}
