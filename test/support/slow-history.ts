import type { Position } from '@aerie/protocol';
import type { HistoryChannel, HistoryPage, HistoryRange } from '../../libs/realtime/src/history/history.js';
import { MemoryHistory } from '../../libs/realtime/src/memory/memory-history.js';
import { MemoryHub } from '../../libs/realtime/src/memory/memory-hub.js';
import { BackplaneUnavailable } from '../../libs/realtime/src/publishing/backplane.js';

/** A history in memory that answers after some turns of the event loop, refuses while it is `away`, and counts its reads. */
export class SlowHistory extends MemoryHistory {
  readonly #hub: MemoryHub;
  /** How long a question is on its way, and its answer. Turns of the event loop. */
  turns: () => { there: number; back: number } = () => ({ there: 1, back: 1 });
  away = false;
  reads = 0;

  constructor(hub: MemoryHub = new MemoryHub()) {
    super(hub);
    this.#hub = hub;
  }

  get hub(): MemoryHub {
    return this.#hub;
  }

  /** What FLUSHALL is to Redis. */
  flush(): void {
    void this.close();
  }

  override async read(range: HistoryRange): Promise<HistoryPage> {
    this.reads += 1;
    return this.#answered(() => super.read(range));
  }

  override async position(channel: HistoryChannel): Promise<Position> {
    return this.#answered(() => super.position(channel));
  }

  async #answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const { there, back } = this.turns();
    for (let turn = 0; turn < there; turn += 1) await nextTurn();
    if (this.away) throw new BackplaneUnavailable('away');
    const answer = await ask();
    for (let turn = 0; turn < back; turn += 1) await nextTurn();
    return answer;
  }
}

/** Lets the event loop go round once. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
