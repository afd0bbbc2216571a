import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { Admission } from '../connections/admission.js';
import { Drain } from '../drain/drain.js';

/** Down from the first moment of a drain on, and once the door is closed for any other reason. */
@Injectable()
export class DrainHealthIndicator {
  constructor(
    private readonly health: HealthIndicatorService,
    private readonly drain: Drain,
    private readonly admission: Admission,
  ) {}

  check<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const facts = { ...this.drain.report, door: this.admission.state };
    const check = this.health.check(key);
    return facts.state === 'idle' && facts.door === 'open' ? check.up(facts) : check.down(facts);
  }
}
