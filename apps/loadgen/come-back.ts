import { type Case, engine, figureOf, textOf } from './cases.js';
import { onRedis } from './on-redis.js';

const AWAY_SECONDS = 2;
const PUBLICATIONS_PER_SECOND = 1;
const PAYLOAD_BYTES = 128;

export interface ComeBackOptions {
  readonly clients: number;
  /** From the first that is cut off to the last. Default: all at once. */
  readonly cutSeconds?: number;
  /** From the first that comes back to the last, beyond that. Default: none. */
  readonly spreadSeconds?: number;
  /** `p99Us`: until a client stands where it would have stood, from its first attempt. `arrivalP99Us`: until a publication arrived. */
  readonly key: 'p99Us' | 'arrivalP99Us';
}

/**
 * Clients of a channel with a history are cut off and away for 2 s. Publications go on; each must have reached each client once.
 */
export function comeBack(
  name: string,
  title: string,
  { clients, cutSeconds = 0, spreadSeconds = 0, key }: ComeBackOptions,
): Case {
  return {
    name,
    title,
    unit: 'µs p99',
    more: false,
    among: ['Aerie, history'],
    measure: (run) => {
      const { dialect, name: peer } = run.peer;
      if (dialect.recover === undefined) throw new Error(`${peer} recovers nothing`);
      const { opening, subscribe, recover } = dialect;
      return onRedis(run.peer, 1, async ([port = 0]) => {
        const measured = await engine(run, 'return', [
          ['ports', port],
          ...opening,
          ...subscribe,
          ...recover,
          ['connections', clients],
          ['message', dialect.publish(textOf(PAYLOAD_BYTES))],
          ['rate', PUBLICATIONS_PER_SECOND],
          ['cut', cutSeconds],
          ['away', AWAY_SECONDS],
          ['spread', spreadSeconds],
          ['patience', 60],
        ]);
        return figureOf(measured, key);
      });
    },
  };
}
