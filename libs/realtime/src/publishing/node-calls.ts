import { encodeSegment } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import { z } from 'zod';
import { randomId } from '../random-id.js';
import { Refusal } from '../refusal.js';
import { nodeChannel } from './internal-channels.js';
import { NodeWatch } from './node-watch.js';
import type { Publisher } from './publisher.js';

const CALL_ID_BYTES = 12;
/** An answer that takes longer will not come: the other node is gone, or the backplane is. */
const TIMEOUT_MS = 5_000;
const MAX_PENDING = 10_000;
/** What every node answers at once. */
const SIGN = 'sign';
const SIGN_WITHIN_MS = 2_000;

const Frame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('call'),
    id: z.string(),
    from: z.string(),
    name: z.string(),
    data: z.unknown(),
  }),
  z.object({ type: z.literal('answer'), id: z.string(), data: z.unknown() }),
]);
type Frame = z.infer<typeof Frame>;

/** Answers a call of another node, or of this one. What it returns travels as JSON. */
export type CallHandler = (data: unknown) => unknown;

export interface NodeCallsOptions {
  /** This node's name. */
  readonly node: string;
  readonly publisher: Pick<Publisher, 'publish'>;
}

/** A question to a node. */
export interface NodeCall {
  /** The handler's name. */
  readonly name: string;
  readonly data: unknown;
  /** How long the answer may take. Milliseconds, default 5,000. A node that takes longer is asked meanwhile whether it lives. */
  readonly timeoutMs?: number | undefined;
}

interface Pending {
  readonly answered: (outcome: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Questions to one particular node, over the backplane: for what only the node that holds a connection can do. An answer
 * that does not come leaves the outcome unknown.
 */
export class NodeCalls {
  readonly #logger = new Logger('AerieCalls');
  readonly #options: NodeCallsOptions;
  readonly #handlers = new Map<string, CallHandler>();
  readonly #pending = new Map<string, Pending>();
  readonly #watch = new NodeWatch((node) => this.#lives(node));
  /** Where this node is called. */
  readonly channel: string;

  constructor(options: NodeCallsOptions) {
    this.#options = options;
    this.channel = nodeChannel(encodeSegment(options.node));
    this.handle(SIGN, () => null);
  }

  handle(name: string, handler: CallHandler): void {
    this.#handlers.set(name, handler);
  }

  /** Resolves with the answer, or `unavailable` where none came in time. */
  async call(node: string, { name, data, timeoutMs = TIMEOUT_MS }: NodeCall): Promise<unknown> {
    if (node === this.#options.node) return this.#answerTo(name, data);
    if (this.#pending.size >= MAX_PENDING) return new Refusal('overloaded', 'too many calls are under way');
    const id = randomId(CALL_ID_BYTES);
    const answer = this.#awaited(id, timeoutMs);
    const told = await this.#tell(node, { type: 'call', id, from: this.#options.node, name, data });
    if (!told) this.#settle(id, noAnswer());
    else if (timeoutMs > TIMEOUT_MS) return this.#watched(node, id, answer);
    return answer;
  }

  /** Called with what arrives on this node's channel. */
  receive(bytes: Uint8Array): void {
    const frame = Frame.safeParse(parse(bytes));
    if (!frame.success) this.#logger.warn('a call was not understood (a newer node?)');
    else if (frame.data.type === 'answer') this.#settle(frame.data.id, frame.data.data);
    else void this.#serve(frame.data);
  }

  close(): void {
    for (const id of this.#pending.keys()) this.#settle(id, noAnswer());
  }

  #awaited(id: string, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, noAnswer()), timeoutMs).unref();
      this.#pending.set(id, { answered: resolve, timer });
    });
  }

  async #watched(node: string, id: string, answer: Promise<unknown>): Promise<unknown> {
    const unwatch = this.#watch.wait(node, () => this.#settle(id, noAnswer()));
    return answer.finally(unwatch);
  }

  async #lives(node: string): Promise<boolean> {
    const sign = await this.call(node, { name: SIGN, data: null, timeoutMs: SIGN_WITHIN_MS });
    return !(sign instanceof Refusal);
  }

  #settle(id: string, outcome: unknown): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.answered(outcome);
  }

  async #serve({ id, from, name, data }: Extract<Frame, { type: 'call' }>): Promise<void> {
    const answer = await this.#answerTo(name, data);
    if (!(answer instanceof Refusal)) await this.#tell(from, { type: 'answer', id, data: answer });
  }

  async #answerTo(name: string, data: unknown): Promise<unknown> {
    try {
      const handler = this.#handlers.get(name);
      return handler === undefined ? noAnswer() : await handler(data);
    } catch (error) {
      this.#logger.error(`the call "${name}" failed`, error instanceof Error ? error.stack : undefined);
      return noAnswer();
    }
  }

  async #tell(node: string, frame: Frame): Promise<boolean> {
    const channel = nodeChannel(encodeSegment(node));
    return (await this.#options.publisher.publish({ channel, frame })).ok;
  }
}

function noAnswer(): Refusal {
  return new Refusal('unavailable', 'the node that holds the connection did not answer', {
    retryAfterSeconds: 1,
  });
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
