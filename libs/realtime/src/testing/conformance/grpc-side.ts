import { type CallEnd, ClientCall } from './client-call.js';
import { ensure, equal } from './expectations.js';
import { GrpcTalker } from './grpc-talker.js';
import type { ConformanceTarget } from './target.js';
import { within } from './within.js';

export interface GrpcAsk {
  /** Goes out as `authorization: Bearer`. */
  readonly token?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface CallAsk extends GrpcAsk {
  readonly message: Uint8Array;
}

/** What a call brought, and how it ended. */
export interface CallOutcome extends CallEnd {
  readonly messages: readonly Buffer[];
}

/** Calls of gRPC to the target, all of which end with the test. */
export class GrpcSide {
  readonly #target: ConformanceTarget;
  readonly #timeoutMs: number;
  readonly #open: { drop(): void }[] = [];

  constructor(target: ConformanceTarget, timeoutMs: number) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
  }

  /** A call of `Connect`, which may be refused. */
  connect(ask: GrpcAsk): GrpcTalker {
    const talker = new GrpcTalker({ ...this.#callOf(ask), timeoutMs: this.#timeoutMs });
    this.#open.push(talker);
    return talker;
  }

  /** How a call of `Connect` ends that brings no frame. */
  async refused(ask: GrpcAsk): Promise<CallEnd> {
    const talker = this.connect(ask);
    const end = await within(this.#timeoutMs, talker.ended, 'the call is not refused');
    equal(talker.received, [], 'what came before the end');
    return end;
  }

  /** Calls a method with one message, which is all that it gets. */
  async call(path: string, { message, ...ask }: CallAsk): Promise<CallOutcome> {
    const messages: Buffer[] = [];
    const call = new ClientCall({ ...this.#callOf(ask), path, take: (one) => messages.push(one) });
    this.#open.push(call);
    call.send(message);
    call.end();
    const end = await within(this.#timeoutMs, call.ended, `no end of ${path}`);
    return { ...end, messages };
  }

  end(): void {
    for (const one of this.#open) one.drop();
  }

  #callOf({ token, metadata = {} }: GrpcAsk) {
    const { grpcUrl: url } = this.#target;
    ensure(url !== undefined, 'no gRPC');
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return { url, metadata: { ...authorization, ...metadata } };
  }
}
