import { BackplaneUnavailable } from '../publishing/backplane.js';
import { History } from './history.js';

/** Stands where the backplane's technology has no history: an application that asks for one does not boot. */
export class NoHistory extends History {
  readonly #backplane: string;

  constructor(backplane: string) {
    super();
    this.#backplane = backplane;
  }

  async start(): Promise<void> {
    throw new Error(
      `channels can't have a history: there is no driver of it beside the backplane "${this.#backplane}"`,
    );
  }

  append(): Promise<never> {
    return this.#refuse();
  }

  read(): Promise<never> {
    return this.#refuse();
  }

  position(): Promise<never> {
    return this.#refuse();
  }

  async close(): Promise<void> {}

  async #refuse(): Promise<never> {
    throw new BackplaneUnavailable('no history');
  }
}
