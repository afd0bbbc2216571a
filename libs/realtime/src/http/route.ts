import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Refusal } from '../refusal.js';

/** One HTTP request on a path that Aerie serves itself. */
export interface RouteContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The path's `:name` segments, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Reads the body as JSON (max 1 MiB, `application/json`); validation is the route's. A Refusal is a value. */
  readonly json: () => Promise<unknown>;
}

/** What a handler answers with. `undefined` means that it wrote the response itself. */
export interface RouteReply {
  /** Default 200, or 204 without a body. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless it is a string or a buffer. */
  readonly body?: unknown;
  /** Ends the client's keep-alive with this reply. */
  readonly close?: boolean;
}

/** What one call of a route comes to: a reply, an expected "no", or `undefined` where it wrote the response itself. */
export type RouteOutcome = RouteReply | Refusal | undefined;

/**
 * A path that Aerie answers before the application's platform sees the request: it is in no Swagger of the app, behind
 * none of its guards and middlewares.
 */
export interface Route {
  /** `HEAD` is answered by `GET`. */
  readonly method: 'GET' | 'POST' | 'DELETE' | 'OPTIONS';
  /** Literal segments and `:name` parameters; a literal wins over a parameter. */
  readonly path: string;
  /** Adds the CORS headers of the allowed origins to every answer, errors included, and answers the preflight. */
  readonly cors?: boolean;
  /** The path is the application's as well: it gets what comes with any other method. */
  readonly shared?: boolean;
  readonly handle: (context: RouteContext) => Promise<RouteOutcome> | RouteOutcome;
}
