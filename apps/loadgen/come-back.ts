import { type Case, engine, figureOf, textOf } from './cases.js';
import { onRedis } from './on-redis.js';

const AWAY_SECONDS = 2;
const PUBLICATIONS_PER_SECOND = 1;
const PAYLOAD_BYTES = 128;

export interface ComeBackOptions {
  readonly clients: number;
  /** From the first that comes back to the last. */
  readonly spreadSeconds: number;
}

/**
 * How long clients of a channel with a history, all cut off at once and away for 2 s, take from their first attempt until they
 * stand where they would have stood. Publications go on; each must have reached each client once.
 */
export function comeBack(name: string, title: string, { clients, spreadSeconds }: ComeBackOptions): Case {
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
          ['away', AWAY_SECONDS],
          ['spread', spreadSeconds],
          ['patience', 60],
        ]);
        return figureOf(measured, 'p99Us');
      });
    },
  };
}
