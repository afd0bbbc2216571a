import { encodeSegment } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import { z } from 'zod';
import { randomId } from '../random-id.js';
import { Refusal } from '../refusal.js';
import { nodeChannel } from './internal-channels.js';
import { NodePulse } from './node-pulse.js';
import type { Publisher } from './publisher.js';

const CALL_ID_BYTES = 12;
/** An answer that takes longer will not come: the other node is gone, or the backplane is. */
const TIMEOUT_MS = 5_000;
/** Of one name: held polls must not keep messages from being brought. */
const MAX_PENDING = 10_000;
/** The name of the question that every node answers at once. */
const PULSE = 'pulse';

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
  /** How long the answer may take. Milliseconds, default 5,000. */
  readonly timeoutMs?: number | undefined;
}

interface Pending {
  readonly node: string;
  readonly name: string;
  readonly answered: (outcome: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

type PendingCall = Omit<Pending, 'answered' | 'timer'> & { readonly timeoutMs: number };

/**
 * Questions to one particular node, over the backplane: for what only the node that holds a connection can do. An answer
 * that does not come leaves the outcome unknown.
 */
export class NodeCalls {
  readonly #logger = new Logger('AerieCalls');
  readonly #options: NodeCallsOptions;
  readonly #handlers = new Map<string, CallHandler>();
  readonly #pending = new Map<string, Pending>();
  readonly #pendingByName = new Map<string, number>();
  readonly #pulse = new NodePulse({
    ask: (node) => void this.#ask(node, { name: PULSE, data: null, timeoutMs: TIMEOUT_MS }),
    onSilent: (node) => this.#giveUp(node),
  });
  /** Where this node is called. */
  readonly channel: string;

  constructor(options: NodeCallsOptions) {
    this.#options = options;
    this.channel = nodeChannel(encodeSegment(options.node));
    this.handle(PULSE, () => null);
  }

  handle(name: string, handler: CallHandler): void {
    this.#handlers.set(name, handler);
  }

  /** Resolves with the answer, or `unavailable` where none came in time, or where the node showed signs of life before and shows none for some 4 s. */
  async call(node: string, call: NodeCall): Promise<unknown> {
    if (node === this.#options.node) return this.#answerTo(call.name, call.data);
    if ((this.#pendingByName.get(call.name) ?? 0) >= MAX_PENDING) return tooMany();
    return this.#ask(node, call);
  }

  async #ask(node: string, { name, data, timeoutMs = TIMEOUT_MS }: NodeCall): Promise<unknown> {
    const id = randomId(CALL_ID_BYTES);
    const answer = this.#awaited(id, { node, name, timeoutMs });
    const told = await this.#tell(node, { type: 'call', id, from: this.#options.node, name, data });
    if (!told) this.#settle(id, noAnswer());
    return answer;
  }

  /** Called with what arrives on this node's channel. */
  receive(bytes: Uint8Array): void {
    const frame = Frame.safeParse(parse(bytes));
    if (!frame.success) this.#logger.warn('a call was not understood (a newer node?)');
    else if (frame.data.type === 'answer') this.#answered(frame.data.id, frame.data.data);
    else void this.#serve(frame.data);
  }

  close(): void {
    for (const id of this.#pending.keys()) this.#settle(id, noAnswer());
  }

  #awaited(id: string, { node, name, timeoutMs }: PendingCall): Promise<unknown> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, noAnswer()), timeoutMs).unref();
      this.#pending.set(id, { node, name, answered: resolve, timer });
      this.#count(name, 1);
      if (name !== PULSE) this.#pulse.owes(node);
    });
  }

  #answered(id: string, outcome: unknown): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    if (pending.name === PULSE) this.#pulse.shown(pending.node);
    else this.#pulse.heard(pending.node);
    this.#settle(id, outcome);
  }

  #giveUp(silent: string): void {
    for (const [id, { node }] of this.#pending) if (node === silent) this.#settle(id, noAnswer());
  }

  #count(name: string, by: number): void {
    this.#pendingByName.set(name, (this.#pendingByName.get(name) ?? 0) + by);
  }

  #settle(id: string, outcome: unknown): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    this.#count(pending.name, -1);
    if (pending.name !== PULSE) this.#pulse.settled(pending.node);
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

function tooMany(): Refusal {
  return new Refusal('overloaded', 'too many calls are under way', { retryAfterSeconds: 1 });
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
