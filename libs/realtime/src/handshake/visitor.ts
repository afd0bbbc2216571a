import type { IncomingHttpHeaders } from 'node:http';
import type { Session } from '../connections/session.js';
import type { HandshakeRequest } from './authenticator.js';

/**
 * Who asks by a plain request, such as `GET /events`, and has no connection: what guards and handlers of channels get as their
 * client there. It reads like a `ClientFacade`, and can be sent nothing.
 */
export class Visitor {
  readonly session: Session;
  readonly request: HandshakeRequest;
  /** Set by guards of the application, as on an HTTP request. */
  user: unknown;

  constructor(session: Session, request: HandshakeRequest) {
    this.session = session;
    this.request = request;
    this.user = request.user;
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }

  get ip(): string {
    return this.request.ip;
  }

  get params(): Readonly<Record<string, string>> {
    return this.request.params;
  }

  get query(): Readonly<Record<string, string | string[]>> {
    return this.request.query;
  }

  get cookies(): Readonly<Record<string, string>> {
    return this.request.cookies;
  }
}
