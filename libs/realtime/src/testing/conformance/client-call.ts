import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import { MessageReader, prefixed } from '../../transports/grpc/message-reader.js';
import { bytesOf, readFields, textOf } from '../../transports/grpc/protobuf.js';
import { ensure, equal } from './expectations.js';

/** No message of a server is larger. */
const MAX_BYTES = 16 * 1024 * 1024;

export interface CallOptions {
  /** `http:` or `https:`. */
  readonly url: string;
  /** `/<package>.<Service>/<Method>`. */
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Hears of each message, in order. */
  readonly take: (message: Buffer) => void;
}

/** How a call ended. */
export interface CallEnd {
  /** The status of gRPC; undefined where the call ended without one. */
  readonly code: number | undefined;
  readonly message: string;
  /** Those of google.rpc.ErrorInfo in the details; empty where there are none. */
  readonly reason: string;
  readonly domain: string;
}

/** One call of gRPC, on a connection of its own: messages both ways, a status at the end. */
export class ClientCall {
  /** Never rejects. */
  readonly ended: Promise<CallEnd>;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  #said: IncomingHttpHeaders = {};
  #fault = 'the call ended without a status';

  constructor({ url, path, metadata, take }: CallOptions) {
    this.#session = connect(url);
    this.#session.on('error', (error: Error) => (this.#fault = error.message));
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...metadata,
    });
    this.ended = this.#follow(take);
  }

  send(message: Uint8Array): void {
    if (this.#stream.writable) this.#stream.write(prefixed(message));
  }

  /** No more messages: a client's goodbye. */
  end(): void {
    this.#stream.end();
  }

  /** Ends the connection under it without a word. */
  drop(): void {
    this.#session.destroy();
  }

  async #follow(take: (message: Buffer) => void): Promise<CallEnd> {
    const reader = new MessageReader(MAX_BYTES);
    const { promise, resolve } = Promise.withResolvers<void>();
    // Where there are no messages the status comes with the headers.
    this.#stream.on('response', (headers) => (this.#said = headers));
    this.#stream.on('trailers', (trailers) => (this.#said = trailers));
    this.#stream.on('data', (chunk: Buffer) => {
      const fault = reader.push(chunk, take);
      if (fault !== undefined) this.#stream.destroy(new Error(`a message is ${fault}`));
    });
    // Whoever has the status lets go.
    this.#stream.on('end', () => this.#stream.end());
    this.#stream.on('error', (error: Error) => (this.#fault = error.message));
    this.#stream.on('close', resolve);
    await promise;
    this.#session.destroy();
    return endIn(this.#said, this.#fault);
  }
}

function endIn(said: IncomingHttpHeaders, fault: string): CallEnd {
  const { 'grpc-status': code, 'grpc-message': message } = said;
  const { reason, domain } = infoIn(String(said['grpc-status-details-bin'] ?? ''));
  if (code !== undefined) return { code: Number(code), message: String(message ?? ''), reason, domain };
  const { ':status': status } = said as IncomingHttpHeaders & IncomingHttpStatusHeader;
  return {
    code: undefined,
    message: status === undefined || status === 200 ? fault : `HTTP ${status}`,
    reason,
    domain,
  };
}

/** The google.rpc.ErrorInfo in a google.rpc.Status. */
function infoIn(details: string): Pick<CallEnd, 'reason' | 'domain'> {
  for (const any of bytesOf(fieldsIn(Buffer.from(details, 'base64')), 3)) {
    const [value] = bytesOf(fieldsIn(any), 2);
    if (!textOf(fieldsIn(any), 1).endsWith('/google.rpc.ErrorInfo') || value === undefined) continue;
    return { reason: textOf(fieldsIn(value), 1), domain: textOf(fieldsIn(value), 2) };
  }
  return { reason: '', domain: '' };
}

function fieldsIn(bytes: Buffer) {
  return readFields(bytes) ?? [];
}

/** Throws unless a call ended with a status. */
export function hasStatus({ code, message }: CallEnd, status: number): void {
  ensure(code === status, `the status is ${code ?? 'absent'}, not ${status}: ${message}`);
}

/** Throws unless a call ended with a status, and with this reason in its details. */
export function saysWhy(end: CallEnd, status: number, why: string): void {
  const { reason, domain } = end;
  hasStatus(end, status);
  equal({ reason, domain }, { reason: why, domain: 'aerie' }, 'the ErrorInfo');
}
