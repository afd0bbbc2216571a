import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { EventLoopDelay } from '../metrics/event-loop-delay.js';
import { REALTIME_HEALTH_OPTIONS, type RealtimeHealthOptions } from './health-options.js';

const MAX_DELAY_MS = 1_000;

/**
 * Down while the event loop is late all the time: its mean delay over 10 s passes `maxLoopDelayMs`. One stall, however
 * long, is no reason to be restarted.
 */
@Injectable()
export class EventLoopHealthIndicator {
  constructor(
    private readonly health: HealthIndicatorService,
    private readonly loop: EventLoopDelay,
    @Inject(REALTIME_HEALTH_OPTIONS) private readonly options: RealtimeHealthOptions,
  ) {}

  check<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const { last } = this.loop;
    const limitMs = this.options.maxLoopDelayMs ?? MAX_DELAY_MS;
    const check = this.health.check(key);
    return last.meanMs > limitMs ? check.down({ ...last, limitMs }) : check.up({ ...last });
  }
}
