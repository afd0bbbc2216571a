import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { prefixed } from './message-reader.js';
import { type GrpcStatus, OK, statusHeaders } from './grpc-status.js';

const HEADERS = { ':status': 200, 'content-type': 'application/grpc', 'grpc-accept-encoding': 'identity' };

/** How long a client that has its status may keep the call. */
const LET_GO_MS = 1_000;

/** One call, as the server sees it: a stream of HTTP/2 whose bytes are prefixed messages, with a status at its end. */
export class GrpcCall {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  #status: GrpcStatus = OK;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) {
    this.stream = stream;
    this.headers = headers;
    this.rawHeaders = rawHeaders;
  }

  /** Whether nobody listens any more. */
  get isOver(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }

  /** Answers that the call is taken: what follows are messages. */
  begin(): void {
    if (this.isOver || this.stream.headersSent) return;
    this.stream.respond(HEADERS, { waitForTrailers: true });
    this.stream.on('wantTrailers', () => {
      this.stream.sendTrailers(statusHeaders(this.#status));
      this.#letGo();
    });
  }

  /** Hands over bytes that have their prefix. */
  write(bytes: Uint8Array, taken?: () => void): void {
    if (!this.stream.writable) return;
    if (taken === undefined) this.stream.write(bytes);
    else this.stream.write(bytes, (error) => (error === undefined || error === null ? taken() : undefined));
  }

  send(message: Uint8Array): void {
    this.begin();
    this.write(prefixed(message));
  }

  /** Ends the call, behind all that was written; what the client may still send is not waited for. */
  end(status: GrpcStatus = OK): void {
    if (this.isOver || this.stream.writableEnded) return;
    this.#status = status;
    this.stream.resume();
    if (this.stream.headersSent) {
      this.stream.end();
      return;
    }
    this.stream.respond({ ...HEADERS, ...statusHeaders(status) }, { endStream: true });
    this.#letGo();
  }

  /** Ends it without a status. */
  destroy(): void {
    this.stream.destroy();
  }

  // A client that has read the status lets go by itself; a reset at once could overtake it.
  #letGo(): void {
    const timer = setTimeout(() => this.stream.close(constants.NGHTTP2_NO_ERROR), LET_GO_MS);
    this.stream.on('close', () => clearTimeout(timer));
  }
}
