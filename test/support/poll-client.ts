import type { ReceivedFrame } from '@aerie/realtime/testing';
import type { RunningGateway } from './gateway.js';

type Headers = Readonly<Record<string, string>>;

export interface PollAnswer {
  readonly status: number;
  readonly headers: globalThis.Headers;
  readonly connection?: string;
  readonly cursor?: string;
  readonly id?: string;
  readonly frames?: readonly ReceivedFrame[];
  readonly error?: { readonly code: string };
}

/** A client of long polling as the protocol describes one: one request after the other. */
export class PollClient {
  readonly frames: ReceivedFrame[] = [];
  connection = '';
  cursor = '';
  id = '';
  opening: PollAnswer | undefined;

  private constructor(readonly headers: Headers) {}

  static async open(gateway: RunningGateway, headers: Headers, query = ''): Promise<PollClient> {
    const client = new PollClient(headers);
    client.opening = await answerOf(await fetch(`${gateway.url}/poll${query}`, { headers }));
    client.connection = client.opening.connection ?? '';
    client.#keep(client.opening);
    return client;
  }

  /** Asks for what follows and forgets the answer, as if it had been lost. */
  async peek(
    gateway: RunningGateway,
    { cursor = this.cursor, headers = {}, signal }: PeekOptions = {},
  ): Promise<PollAnswer> {
    const init = { headers: { ...this.headers, 'aerie-connection': this.connection, ...headers } };
    const response = await fetch(`${gateway.url}/poll?cursor=${cursor}`, {
      ...init,
      ...(signal !== undefined && { signal }),
    });
    return answerOf(response);
  }

  async poll(gateway: RunningGateway): Promise<PollAnswer> {
    const answer = await this.peek(gateway);
    this.#keep(answer);
    return answer;
  }

  /** Polls these nodes in turn until what came satisfies; for as long as the test may take. */
  async until(done: (client: PollClient) => boolean, ...gateways: readonly RunningGateway[]): Promise<void> {
    for (let turn = 0; !done(this); turn += 1) {
      const gateway = gateways[turn % gateways.length];
      if (gateway === undefined) throw new Error('no gateway to poll');
      const { status, error } = await this.poll(gateway);
      if (status !== 200) throw new Error(`a poll was answered ${status} ${error?.code ?? ''}`);
    }
  }

  dataOf(event: string): unknown[] {
    return this.frames.filter((frame) => frame.event === event).map(({ data }) => data);
  }

  async leave(gateway: RunningGateway): Promise<number> {
    const headers = { ...this.headers, 'aerie-connection': this.connection };
    return (await fetch(`${gateway.url}/poll`, { method: 'DELETE', headers })).status;
  }

  #keep({ cursor, id, frames }: PollAnswer): void {
    this.cursor = cursor ?? this.cursor;
    this.id = id ?? this.id;
    this.frames.push(...(frames ?? []));
  }
}

export interface PeekOptions {
  readonly cursor?: string;
  readonly headers?: Headers;
  readonly signal?: AbortSignal;
}

async function answerOf(response: Response): Promise<PollAnswer> {
  const { status, headers } = response;
  return { ...((await response.json()) as object), status, headers };
}
