import { getHeapStatistics } from 'node:v8';
import { Inject, Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { REALTIME_HEALTH_OPTIONS, type RealtimeHealthOptions } from './health-options.js';

/** V8 ends the process at its limit; past this share of it new connections should go elsewhere. */
const HEAP_SHARE = 0.95;

/** Down past `maxRssBytes` of resident memory, or with the heap nearly full. */
@Injectable()
export class MemoryHealthIndicator {
  constructor(
    private readonly health: HealthIndicatorService,
    @Inject(REALTIME_HEALTH_OPTIONS) private readonly options: RealtimeHealthOptions,
  ) {}

  check<Key extends string>(key: Key): HealthIndicatorResult<Key> {
    const rssBytes = process.memoryUsage.rss();
    const { used_heap_size: heapBytes, heap_size_limit: maxHeapBytes } = getHeapStatistics();
    const { maxRssBytes } = this.options;
    const numbers = { rssBytes, ...(maxRssBytes !== undefined && { maxRssBytes }), heapBytes, maxHeapBytes };
    const full = rssBytes > (maxRssBytes ?? Infinity) || heapBytes > maxHeapBytes * HEAP_SHARE;
    const check = this.health.check(key);
    return full ? check.down(numbers) : check.up(numbers);
  }
}
