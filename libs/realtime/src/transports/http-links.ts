import { z } from 'zod';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import type { NodeCall, NodeCalls } from '../publishing/node-calls.js';
import { Refusal } from '../refusal.js';
import type { Sessions } from '../sessions/sessions.js';
import type { HttpLink } from './http-link.js';

/** A connection that was opened on another node a moment ago may not be known here yet. Waits before each look. */
const LOOKS_MS = [0, 100, 300, 600];
/** Nor is any while Redis is away, or the nodes write anew what it lost: sooner a client would open another one again and again. */
const LATER_LOOKS_MS = [1_000, 1_000, 1_000, 1_000, 1_000];

const Question = z.object({ connection: z.string(), user: z.string(), data: z.unknown() });
const Answer = z.discriminatedUnion('state', [
  z.object({ state: z.literal('gone') }),
  z.object({ state: z.literal('foreign') }),
  z.object({ state: z.literal('held'), data: z.unknown() }),
]);
type Answer = z.infer<typeof Answer>;

export interface HttpLinksOptions {
  readonly registry: Pick<ConnectionRegistry, 'onRemoved'>;
  readonly sessions: Pick<Sessions, 'connectionsOf' | 'hasLeft' | 'knowsEverybody' | 'node'>;
  readonly calls: Pick<NodeCalls, 'handle' | 'call'>;
}

/** Whose connection, and which. */
export interface Holder {
  readonly user: string;
  readonly connection: string;
}

/** What the node that holds a connection does with a request for it. What it returns travels as JSON. */
export type LinkHandler = (link: HttpLink, data: unknown) => unknown;

/** The connections of this node whose clients send requests beside their stream, and the road to those of other nodes. */
export class HttpLinks {
  readonly #options: HttpLinksOptions;
  readonly #byId = new Map<string, HttpLink>();

  constructor(options: HttpLinksOptions) {
    this.#options = options;
    options.registry.onRemoved(({ id }) => this.#byId.delete(id));
  }

  add(link: HttpLink): void {
    const { connection } = link;
    if (connection.isOpen) this.#byId.set(connection.id, link);
  }

  /** Whether this node holds a connection. */
  has(connection: string): boolean {
    return this.#byId.has(connection);
  }

  /** From here on this node answers such questions, its own and those of other nodes. */
  handle(name: string, handler: LinkHandler): void {
    this.#options.calls.handle(name, async (question): Promise<Answer> => {
      const parsed = Question.safeParse(question);
      const link = parsed.success ? this.#byId.get(parsed.data.connection) : undefined;
      if (link === undefined || !parsed.success) return { state: 'gone' };
      if (link.connection.session.user !== parsed.data.user) return { state: 'foreign' };
      return { state: 'held', data: await handler(link, parsed.data.data) };
    });
  }

  /**
   * Asks the node that holds a user's connection, whichever it is. Refuses with `session_gone` where there is none, with
   * `forbidden` where it is somebody else's, and with `unavailable` where no answer came.
   */
  async ask({ user, connection }: Holder, { name, data, timeoutMs }: NodeCall): Promise<unknown> {
    const node = await this.#nodeOf(user, connection);
    if (node instanceof Refusal) return node;
    const answer = await this.#options.calls.call(node, {
      name,
      data: { connection, user, data },
      timeoutMs,
    });
    if (answer instanceof Refusal) return (await this.#hasLeft(node)) ? sessionGone() : answer;
    const parsed = Answer.safeParse(answer);
    if (!parsed.success)
      return new Refusal('unavailable', 'the answer was not understood (another version?)');
    if (parsed.data.state === 'gone') return sessionGone();
    return parsed.data.state === 'foreign' ? foreign() : parsed.data.data;
  }

  // While it can't be known the answer stays what it is.
  #hasLeft(node: string): Promise<boolean> {
    return this.#options.sessions.hasLeft(node).catch(() => false);
  }

  async #nodeOf(user: string, connection: string): Promise<string | Refusal> {
    const own = this.#byId.get(connection);
    if (own !== undefined)
      return own.connection.session.user === user ? this.#options.sessions.node : foreign();
    const soon = await this.#look(user, connection, LOOKS_MS);
    if (soon !== undefined) return soon;
    const { sessions } = this.#options;
    if (await sessions.knowsEverybody().catch(whereAway(false))) return sessionGone();
    return (await this.#look(user, connection, LATER_LOOKS_MS)) ?? notKnown();
  }

  async #look(user: string, connection: string, waitsMs: readonly number[]): Promise<string | undefined> {
    for (const waitMs of waitsMs) {
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const known = await this.#options.sessions.connectionsOf(user).catch(whereAway([]));
      const found = known.find(({ id }) => id === connection);
      if (found !== undefined) return found.node;
    }
    return undefined;
  }
}

/** What stands for an answer while Redis gives none. */
function whereAway<Answer>(answer: Answer): (error: unknown) => Answer {
  return (error) => {
    if (error instanceof BackplaneUnavailable) return answer;
    throw error;
  };
}

function notKnown(): Refusal {
  return new Refusal('unavailable', 'it is not known where the connection is: try again', {
    retryAfterSeconds: 1,
  });
}

/** There is no such connection, or none any more. */
export function sessionGone(): Refusal {
  return new Refusal('session_gone', 'the connection has ended: open another');
}

function foreign(): Refusal {
  return new Refusal('forbidden', 'not a connection of this user', { reason: 'foreign_connection' });
}
