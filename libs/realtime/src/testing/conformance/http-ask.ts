/** Where a request goes, beside the WebSocket. */
export type HttpPath = 'sse' | 'poll' | 'send' | 'events';

export interface HttpAsk {
  /** Goes out as `Authorization: Bearer`. */
  readonly token?: string | undefined;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly body?: string;
  /** The answer goes on for as long as the test. Default: it has to come in time. */
  readonly isOpenEnd?: boolean;
}
