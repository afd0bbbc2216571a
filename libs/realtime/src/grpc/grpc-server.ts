import { once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { BACKLOG } from '../http/backlog.js';
import { GrpcCall } from '../transports/grpc/grpc-call.js';
import { STATUS, statusOfError } from '../transports/grpc/grpc-status.js';

/** A connection that makes no call for so long is ended; before its first call it gets less. */
const IDLE_MS = 65_000;
const FIRST_CALL_MS = 10_000;
const MAX_METADATA_BYTES = 16 * 1024;
/** Calls at a time on one connection. */
const MAX_CALLS = 1_000;
/** Each call may have 64 KiB on its way, and as much coming in. */
const MAX_SESSION_MEGABYTES = 128;
const LAST_CALLS_MS = 1_000;

/** Certificate and key, as for Node's TLS servers; with `requestCert` clients need one too. */
export type GrpcTls = Pick<SecureServerOptions, 'key' | 'cert' | 'ca' | 'pfx' | 'passphrase' | 'requestCert'>;

export interface GrpcServerOptions {
  readonly port: number;
  readonly host?: string | undefined;
  readonly tls?: GrpcTls | undefined;
  /** What takes the calls, by path: `/<package>.<Service>/<Method>`. */
  readonly methods: ReadonlyMap<string, GrpcMethod>;
}

/** Takes a call and ends it some time. */
export type GrpcMethod = (call: GrpcCall) => void | Promise<void>;

/** A server of gRPC over HTTP/2 on a port of its own. */
export class GrpcServer {
  readonly server: Http2Server;
  readonly #logger = new Logger('AerieGrpc');
  readonly #options: GrpcServerOptions;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    const limits = {
      maxSessionMemory: MAX_SESSION_MEGABYTES,
      settings: { enablePush: false, maxConcurrentStreams: MAX_CALLS, maxHeaderListSize: MAX_METADATA_BYTES },
    };
    const { tls } = options;
    this.server =
      tls === undefined ? createServer(limits) : createSecureServer({ ...limits, ...tls, allowHTTP1: false });
    this.server.on('session', (session) => this.#watch(session));
    this.server.on('stream', (...[stream, headers, , rawHeaders]) => this.#take(stream, headers, rawHeaders));
  }

  /** The port it listens on; 0 before. */
  get port(): number {
    return (this.server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Rejects where the port is taken. */
  async listen(): Promise<void> {
    const { port, host } = this.#options;
    this.server.listen({ port, host, backlog: BACKLOG });
    await once(this.server, 'listening');
    this.#logger.log(`gRPC on port ${this.port}`);
  }

  /** Asks clients to make their next calls elsewhere; the calls that they have go on. */
  sendAway(): void {
    for (const session of this.#sessions) session.close();
  }

  /** Ends all connections; calls that are about to end get a moment. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.sendAway();
    const timer = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
    }, LAST_CALLS_MS);
    await closed;
    clearTimeout(timer);
  }

  #watch(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    let calls = 0;
    session.setTimeout(FIRST_CALL_MS);
    session.on('timeout', () => {
      if (calls === 0) session.destroy();
    });
    session.on('stream', (stream) => {
      calls += 1;
      session.setTimeout(IDLE_MS);
      stream.on('close', () => (calls -= 1));
    });
    session.on('close', () => this.#sessions.delete(session));
    // What a peer does wrong ends its own connection and nothing else.
    session.on('error', () => session.destroy());
  }

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    // `close` follows; without a listener it would end the process.
    stream.on('error', () => undefined);
    const type = headers['content-type'] ?? '';
    if (headers[':method'] !== 'POST' || !/^application\/grpc(?:$|[+;])/.test(type))
      return stream.respond({ ':status': 415 }, { endStream: true });
    const call = new GrpcCall(stream, headers, rawHeaders);
    const method = this.#options.methods.get(headers[':path'] ?? '');
    const encoding = headers['grpc-encoding'] ?? 'identity';
    if (encoding !== 'identity') call.end(unimplemented('messages may not be compressed'));
    else if (method === undefined) call.end(unimplemented('no such method'));
    else void this.#run(method, call);
  }

  async #run(method: GrpcMethod, call: GrpcCall): Promise<void> {
    try {
      await method(call);
    } catch (error) {
      this.#logger.error('a call failed', error instanceof Error ? error.stack : undefined);
      call.end(statusOfError('internal', 'internal error'));
    }
  }
}

function unimplemented(message: string) {
  return { code: STATUS.UNIMPLEMENTED, message };
}
