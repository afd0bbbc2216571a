import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { RevocationLog } from '../sessions/revocations.js';

/** Down until this node knows every standing revocation: before that it might let in who was thrown out. */
@Injectable()
export class RevocationsHealthIndicator {
  constructor(
    private readonly health: HealthIndicatorService,
    private readonly revocations: RevocationLog,
  ) {}

  check<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const check = this.health.check(key);
    return this.revocations.loaded ? check.up() : check.down('not loaded yet');
  }
}
