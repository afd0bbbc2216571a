import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Refusal } from '../handshake/refusal.js';

/** One HTTP request on a path that Aerie serves itself. */
export interface RouteContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Reads the body as JSON (max 1 MiB, `application/json`); validation is the route's. A Refusal is a value. */
  readonly json: () => Promise<unknown>;
}

/** What a handler answers with. `undefined` means that it wrote the response itself. */
export interface RouteReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless it is a string or a buffer. */
  readonly body?: unknown;
}

/**
 * A path that Aerie answers before the application's platform sees the request: it is in no Swagger of the app, behind
 * none of its guards and middlewares.
 */
export interface Route {
  readonly method: 'GET' | 'POST' | 'OPTIONS';
  /** Literal segments and `:name` parameters. */
  readonly path: string;
  readonly handle: (context: RouteContext) => Promise<RouteReply | Refusal | undefined> | RouteReply | Refusal | undefined;
}
