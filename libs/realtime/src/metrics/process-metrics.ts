import { collectDefaultMetrics, Registry } from 'prom-client';

let registry: Registry | undefined;

/** prom-client's metrics of the process itself (CPU, memory, garbage collection). A process has them once. */
export function processMetrics(): Registry {
  if (registry === undefined) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
  }
  return registry;
}
