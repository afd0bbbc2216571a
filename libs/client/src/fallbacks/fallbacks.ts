import type { Fallbacks, OpenTransport, TransportSetup } from '../transport.js';
import { FallbackPlan } from './fallback-plan.js';
import { longPolling } from './long-polling.js';
import { openByPlan } from './open-by-plan.js';
import { sse } from './sse.js';
import type { TransportKind } from './transport-kind.js';
import { defaultStorage, TransportMemory, type TransportStorage } from './transport-memory.js';

const HOUR_MS = 3_600_000;

export interface FallbackOptions {
  /** What is tried behind the WebSocket, in this order. Default: `[sse(), longPolling()]`. */
  readonly transports?: readonly TransportKind[];
  /**
   * How long at most what worked is preferred before a new attempt begins with the WebSocket again: a minute at first, five times
   * as long each time the WebSocket fails anew. Default: an hour.
   */
  readonly preferMs?: number;
  /** Where that is kept. Default: the page's `localStorage`, else this process. */
  readonly storage?: TransportStorage;
}

/** For the option `fallbacks`: connects by plain HTTP where a WebSocket can't be had. */
export function fallbacks({
  transports = [sse(), longPolling()],
  preferMs = HOUR_MS,
  storage = defaultStorage(),
}: FallbackOptions = {}): Fallbacks {
  const planFor = ({ credentials, dial }: TransportSetup): FallbackPlan => {
    const { host, pathname } = credentials.url;
    const memory = new TransportMemory(host + pathname, { storage, preferMs });
    return new FallbackPlan([{ name: 'websocket', dial }, ...transports], memory);
  };
  return (open) => {
    let byPlan: OpenTransport | undefined;
    return (setup, events) => {
      byPlan ??= openByPlan(planFor(setup), open);
      return byPlan(setup, events);
    };
  };
}
