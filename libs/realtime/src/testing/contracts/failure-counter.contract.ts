import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FailureCounter } from '../../handshake/failure-counter.js';

const LIMIT = 100;

/** What every `FailureCounter` must do. Run it in a spec of the driver; the counters it opens are closed. */
export function describeFailureCounter(name: string, open: () => Promise<FailureCounter>): void {
  describe(`${name} as a failure counter`, () => {
    let counter: FailureCounter;
    let address: string;
    beforeEach(async () => {
      counter = await open();
      address = randomUUID();
    });
    afterEach(() => counter.close());
    const fail = (times: number): Promise<unknown> =>
      Promise.all(Array.from({ length: times }, () => counter.record(address)));

    it('lets an address go on up to the hundredth failure, and then waits up to a minute', async () => {
      expect(await counter.blockedForMs(address)).toBe(0);
      await fail(LIMIT - 1);
      expect(await counter.blockedForMs(address)).toBe(0);
      await fail(1);
      const blockedMs = await counter.blockedForMs(address);
      expect(blockedMs).toBeGreaterThan(55_000);
      expect(blockedMs).toBeLessThanOrEqual(60_000);
    });

    it('counts by reading nothing', async () => {
      for (let round = 0; round < LIMIT + 10; round += 1) await counter.blockedForMs(address);
      expect(await counter.blockedForMs(address)).toBe(0);
    });

    it('goes on blocking whoever goes on failing', async () => {
      await fail(3 * LIMIT);
      expect(await counter.blockedForMs(address)).toBeGreaterThan(55_000);
    });

    it('keeps addresses apart', async () => {
      await fail(LIMIT);
      expect(await counter.blockedForMs(`${address}0`)).toBe(0);
    });
  });
}
