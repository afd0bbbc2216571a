import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { CLOSE, type Close, type Message } from '@aerie/protocol';
import { WsException } from '@nestjs/websockets';
import type { Connection } from '../connections/connection.js';
import type { Session } from '../connections/session.js';
import { errorBody } from '../expected-error.js';
import type { HandshakeRequest } from '../handshake/authenticator.js';
import { errorFrame } from '../messages/error-frame.js';
import { currentMessage } from '../messages/message-context.js';
import { type ApplicationHandlers, unknownEvent } from '../messages/message-handlers.js';
import type { GatewayMethod } from './websocket/gateway-method.js';
import type { HandshakeGuards } from '../handshake/handshake-guards.js';

type Sent = (error?: Error) => void;
/** What is left of a control frame's 125 bytes behind the code. */
const CLOSE_REASON_BYTES = 123;
const EXCEPTION_FRAME = '{"event":"exception"';

/** Where clients come in: an endpoint, as they see it. */
export interface ClientHome {
  readonly guards: HandshakeGuards;
  /** Largest frame that they may send. */
  readonly maxFrameBytes: number;
  /** The method that takes an event of theirs. */
  methodFor(event: string): GatewayMethod | undefined;
  /** The client's connection is registered: gateway classes hear of it as from `ws`. */
  announce(client: ClientFacade): void;
  /** The connection has ended: gateway classes hear of it, and the client's own listeners. */
  forget(client: ClientFacade, code: number, reason: string): void;
}

export interface ClientOptions {
  readonly connection: Connection;
  readonly request: HandshakeRequest;
  readonly endpoint: ClientHome;
  readonly addressGroup: string;
}

/**
 * What gateway classes get as their client: it reads like a socket of `ws`, but all it sends goes through the connection's
 * outbox, and it carries what the handshake found out, so that guards written for HTTP requests work on it too.
 */
export class ClientFacade extends EventEmitter implements ApplicationHandlers {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  readonly #connection: Connection;
  readonly #request: HandshakeRequest;
  readonly endpoint: ClientHome;
  /** The key under which failures of this client count. */
  readonly addressGroup: string;
  #preparations: Promise<unknown>[] | undefined;
  #ended = false;
  /** Set by guards of the application, as on an HTTP request. */
  user: unknown;

  constructor({ connection, request, endpoint, addressGroup }: ClientOptions) {
    super();
    this.#connection = connection;
    this.#request = request;
    this.endpoint = endpoint;
    this.addressGroup = addressGroup;
    this.user = request.user;
  }

  get connection(): Connection {
    return this.#connection;
  }

  get id(): string {
    return this.#connection.id;
  }

  get session(): Session {
    return this.#connection.session;
  }

  get request(): HandshakeRequest {
    return this.#request;
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get ip(): string {
    return this.#request.ip;
  }

  get params(): Readonly<Record<string, string>> {
    return this.#request.params;
  }

  get query(): Readonly<Record<string, string | string[]>> {
    return this.#request.query;
  }

  get cookies(): Readonly<Record<string, string>> {
    return this.#request.cookies;
  }

  get readyState(): 1 | 2 | 3 {
    if (this.#ended) return this.CLOSED;
    return this.#connection.isOpen ? this.OPEN : this.CLOSING;
  }

  get bufferedAmount(): number {
    return this.#connection.bytesOwed;
  }

  /** The subprotocol that the handshake chose; empty where none was offered. */
  get protocol(): string {
    return this.#connection.subprotocol;
  }

  send(data: string | Uint8Array | ArrayBuffer, options?: { binary?: boolean } | Sent, done?: Sent): void {
    const sent = typeof options === 'function' ? options : done;
    const binary = typeof options === 'object' ? options.binary : undefined;
    if (!this.#connection.isOpen) {
      sent?.(new Error('the connection is closed'));
      return;
    }
    if (typeof data === 'string') noteException(data);
    const bytes = typeof data === 'string' ? Buffer.from(data) : new Uint8Array(data);
    const { framing } = this.#connection;
    const asBinary = binary ?? typeof data !== 'string';
    this.#connection.sendFramed(asBinary ? framing.binary(bytes) : framing.frame(bytes));
    if (sent !== undefined) setImmediate(sent);
  }

  close(code?: number, reason?: string): void {
    this.#connection.close(code === undefined ? CLOSE.normal : applicationClose(code, reason));
  }

  terminate(): void {
    this.#connection.destroy();
  }

  ping(): void {
    this.#connection.ping();
  }

  /** Runs the gateways' method for a message of this client. */
  handle(message: Message): unknown {
    const method = this.endpoint.methodFor(message.event);
    return method === undefined ? unknownEvent() : method.run(this, message.data, message.event);
  }

  /** Something that must end before the client's messages are answered: an asynchronous `handleConnection`. */
  prepareWith(preparation: Promise<unknown>): void {
    (this.#preparations ??= []).push(preparation);
  }

  /** Undefined where nothing has to end first. */
  prepared(): Promise<unknown> | undefined {
    const preparations = this.#preparations;
    this.#preparations = undefined;
    return preparations && Promise.all(preparations);
  }

  /** What Nest's default filter tells of an exception: the message's error reply. */
  fail(exception: unknown): void {
    const context = currentMessage();
    if (context === undefined) {
      this.#connection.sendPayload(errorFrame(undefined, errorBody(exception)));
      return;
    }
    context.failed = true;
    context.failure = exception;
  }

  /** For gateways that listen to their client's frames themselves, beside `@SubscribeMessage`. */
  heard(data: Buffer, isBinary: boolean): void {
    if (this.#connection.isOpen) this.emit('message', data, isBinary);
  }

  /** Called once by its endpoint: the socket is gone. */
  ended(code: number, reason: string): void {
    this.#ended = true;
    this.emit('close', code, Buffer.from(reason));
    this.removeAllListeners();
  }
}

// A filter of the application has answered in its own way: a message with an id still gets its error reply.
function noteException(frame: string): void {
  const context = currentMessage();
  if (context?.message.id === undefined || context.failed || !frame.startsWith(EXCEPTION_FRAME)) return;
  context.failed = true;
  context.failure = new WsException('refused by the application');
}

// As `ws` does, but before anything is said: later it would be thrown out of a socket's callback.
function applicationClose(code: number, reason = ''): Close {
  if (!canTravel(code)) throw new TypeError(`${code} is no close code that can be sent`);
  if (Buffer.byteLength(reason) > CLOSE_REASON_BYTES)
    throw new RangeError(`a close reason is at most ${CLOSE_REASON_BYTES} bytes`);
  return { code, reason };
}

// RFC 6455, section 7.4: 1004 to 1006 are reserved, 3000 to 4999 are for libraries and applications.
function canTravel(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  return (code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006)) || (code >= 3000 && code <= 4999);
}
