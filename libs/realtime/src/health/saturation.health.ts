import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { Admission } from '../connections/admission.js';

const FULL = 1;
/** Only below this it counts as having room again: readiness must not flap with every client that leaves. */
const ROOM = 0.9;

/** Down from a full house until a tenth of it is free again. */
@Injectable()
export class SaturationHealthIndicator {
  #full = false;

  constructor(
    private readonly health: HealthIndicatorService,
    private readonly admission: Admission,
  ) {}

  check<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const { saturation } = this.admission;
    this.#full = saturation >= (this.#full ? ROOM : FULL);
    const check = this.health.check(key);
    const facts = { saturation: Math.round(saturation * 1_000) / 1_000 };
    return this.#full ? check.down(facts) : check.up(facts);
  }
}
