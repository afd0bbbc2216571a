import { type Case, fan, figureOf } from './cases.js';
import { onRedis } from './on-redis.js';

export interface CrossPodOptions {
  /** Default 2. */
  readonly servers?: number;
  /** Default 1,000. */
  readonly receivers?: number;
  /** Publications under way. Default 8. */
  readonly window?: number;
  /** Default Socket.IO and Aerie. */
  readonly among?: readonly string[];
}

/** A channel whose subscribers are spread over several servers on one Redis; its publisher is on the first of them. */
export function crossPod(
  name: string,
  title: string,
  { servers = 2, receivers = 1_000, window = 8, among = ['Socket.IO', 'Aerie'] }: CrossPodOptions = {},
): Case {
  return {
    name,
    title,
    unit: 'deliveries/s',
    more: true,
    among,
    measure: (run) =>
      onRedis(run.peer, servers, async (ports) =>
        figureOf(await fan(run, ports, { receivers, window }), 'perSecond'),
      ),
  };
}
