// Preloaded into processes of tests: does what can only be done from inside, when the parent asks by IPC. Holds nothing
// open: the process ends as it would without.
import { readdirSync } from 'node:fs';

const ORDERS = {
  /** What is left after a full collection. */
  measure() {
    globalThis.gc();
    globalThis.gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heapUsed, external, descriptors: readdirSync('/proc/self/fd').length - 1 };
  },
  /** Keeps the event loop from turning. */
  stall({ ms }) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return null;
  },
  /** What holds the process or may call back later, by kind. */
  resources() {
    return Object.fromEntries(
      Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (name) => name)).map(([name, all]) => [
        name,
        all.length,
      ]),
    );
  },
};

process.on('message', ({ order, id, ...rest }) => {
  if (order in ORDERS) process.send({ id, answer: ORDERS[order](rest) });
});
// A spec that was killed ends nothing any more.
process.on('disconnect', () => process.exit());
process.channel?.unref();
