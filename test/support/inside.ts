import type { RunningGateway } from './gateway.js';

export interface Measure {
  /** Resident memory. Bytes, like the next two. */
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  /** Open file descriptors. */
  readonly descriptors: number;
}

type Orders = {
  readonly measure: { readonly asks: object; readonly answer: Measure };
  readonly stall: { readonly asks: { readonly ms: number }; readonly answer: null };
  readonly resources: { readonly asks: object; readonly answer: Readonly<Record<string, number>> };
};

interface Answer<Name extends keyof Orders> {
  readonly id: number;
  readonly answer: Orders[Name]['answer'];
}

const ANSWER_MS = 60_000;
let lastId = 0;

/** Has a gateway's process do something that only its inside can: collect and measure memory, stall its event loop. */
export function inside<Name extends keyof Orders>(
  { child }: Pick<RunningGateway, 'child'>,
  order: Name,
  asks: Orders[Name]['asks'],
): Promise<Orders[Name]['answer']> {
  const id = (lastId += 1);
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      child.off('message', heard);
    };
    const heard = (message: unknown): void => {
      const { id: answered, answer } = message as Answer<Name>;
      if (answered !== id) return;
      end();
      resolve(answer);
    };
    const timer = setTimeout(() => {
      end();
      reject(new Error(`no answer to "${order}"`));
    }, ANSWER_MS);
    child.on('message', heard);
    child.send({ order, id, ...asks });
  });
}
