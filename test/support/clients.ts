import { RealtimeClient, type RealtimeOptions, type RealtimeState } from '@aerie/client';

/** What the servers of the specs send. */
export interface Events {
  'order.status': { readonly id: number; readonly status: string };
  say: number;
}

/** The SDK's clients of a spec: `closeAll` belongs into its `afterEach`. */
export class Clients {
  readonly #open = new Set<RealtimeClient<Events>>();

  /** Not connected yet. */
  create(url: string, options: RealtimeOptions): RealtimeClient<Events> {
    const client = new RealtimeClient<Events>(url, options);
    client.onError(() => undefined);
    this.#open.add(client);
    return client;
  }

  /** Connected; resolves when it is open. */
  async open(url: string, options: RealtimeOptions): Promise<RealtimeClient<Events>> {
    const client = this.create(url, options);
    client.connect();
    await when(client, 'open');
    return client;
  }

  closeAll(): void {
    for (const client of this.#open) client.close();
    this.#open.clear();
  }
}

type State<Status> = RealtimeState & { readonly status: Status };

/** The present state if it has that status, else the next that has. Rejects after 15 s, with the state it is in. */
export function when<Status extends RealtimeState['status']>(
  client: RealtimeClient<Events>,
  status: Status,
): Promise<State<Status>> {
  const has = (state: RealtimeState): state is State<Status> => state.status === status;
  if (has(client.state)) return Promise.resolve(client.state);
  return new Promise((resolve, reject) => {
    const unlisten = client.onState((state) => {
      if (!has(state)) return;
      clearTimeout(timer);
      unlisten();
      resolve(state);
    });
    const timer = setTimeout(() => {
      unlisten();
      reject(new Error(`not "${status}": ${JSON.stringify(client.state)}`));
    }, 15_000);
  });
}

/** Everything that the client goes through from now on. */
export function story(client: RealtimeClient<Events>): RealtimeState[] {
  const states: RealtimeState[] = [];
  client.onState((state) => states.push(state));
  return states;
}
