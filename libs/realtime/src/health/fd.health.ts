import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { Descriptors } from '../connections/descriptors.js';

/** Down while only the reserve of file descriptors is left. Where the platform doesn't say: up, with `unknown`. */
@Injectable()
export class FdHealthIndicator {
  constructor(
    private readonly health: HealthIndicatorService,
    private readonly descriptors: Descriptors,
  ) {}

  check<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const check = this.health.check(key);
    const { limit, used, reserve, exhausted } = this.descriptors;
    if (limit === undefined) return check.up({ limit: 'unknown' });
    return exhausted ? check.down({ used, limit, reserve }) : check.up({ used, limit, reserve });
  }
}
