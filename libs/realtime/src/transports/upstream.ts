import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { Caller } from '../handshake/caller.js';
import { requireJson } from '../http/body.js';
import type { Route, RouteContext, RouteOutcome } from '../http/route.js';
import { Refusal } from '../refusal.js';
import { readEventId } from './event-id.js';
import type { SentMessages, Taken } from './http-link.js';
import type { HttpLinks } from './http-links.js';

const CALL = 'send';
const MAX_MESSAGES = 64;

const Body = z.strictObject({
  seq: z.int().min(1).optional(),
  messages: z.array(z.looseObject({})).max(MAX_MESSAGES),
});
const Sent = z.object({ seq: z.number().optional(), messages: z.array(z.string()) });
const Outcome = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('taken') }),
  z.object({ outcome: z.literal('full') }),
  z.object({ outcome: z.literal('gap'), expected: z.number() }),
]);

export interface UpstreamOptions {
  readonly caller: Pick<Caller, 'sessionOf'>;
  readonly links: HttpLinks;
  /** Largest message. Bytes. */
  readonly maxFrameBytes: number;
}

/** `POST /send`: what clients without a socket of their own send, on whichever node it arrives. Replies come by their stream. */
export class Upstream {
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    options.links.handle(CALL, (link, data): Taken => link.accept(Sent.parse(data)));
  }

  route(path: string): Route {
    return { method: 'POST', path, cors: true, handle: (context) => this.#send(context) };
  }

  async #send({ request, json }: RouteContext): Promise<RouteOutcome> {
    const { caller, links } = this.#options;
    const connection = connectionOf(request);
    const refusal = requireJson(request) ?? (connection instanceof Refusal ? connection : undefined);
    if (refusal !== undefined || connection instanceof Refusal) return refusal;
    const session = await caller.sessionOf(request, { proof: proofIn(request) });
    if (session instanceof Refusal) return session;
    const sent = this.#read(await json());
    if (sent instanceof Refusal) return sent;
    const answer = await links.ask({ user: session.user, connection }, { name: CALL, data: sent });
    return answer instanceof Refusal ? answer : outcomeOf(answer, sent);
  }

  #read(body: unknown): SentMessages | Refusal {
    if (body instanceof Refusal) return body;
    const parsed = Body.safeParse(body);
    if (!parsed.success)
      return new Refusal(
        'invalid',
        `the body must be {seq?, messages}, with at most ${MAX_MESSAGES} messages`,
      );
    const messages = parsed.data.messages.map((message) => JSON.stringify(message));
    const tooLarge = messages.some((text) => Buffer.byteLength(text) > this.#options.maxFrameBytes);
    if (tooLarge)
      return new Refusal('too_large', `a message is at most ${this.#options.maxFrameBytes} bytes`);
    const { seq } = parsed.data;
    return { messages, ...(seq !== undefined && { seq }) };
  }
}

/** The connection that a request is about. */
export function connectionOf({ headers }: IncomingMessage): string | Refusal {
  const { 'aerie-connection': connection } = headers;
  return typeof connection === 'string' && connection !== ''
    ? connection
    : new Refusal('invalid', 'Aerie-Connection must name the connection');
}

/** What stands for the session of a request beside a stream. */
export function proofIn({ headers }: IncomingMessage): string | undefined {
  const { 'aerie-resume': own, 'last-event-id': id } = headers;
  if (typeof own === 'string') return own;
  return (typeof id === 'string' && readEventId(id)?.proof) || undefined;
}

function outcomeOf(answer: unknown, { seq }: SentMessages): RouteOutcome {
  const taken = Outcome.parse(answer);
  if (taken.outcome === 'taken') return { status: 202, body: seq === undefined ? {} : { seq } };
  if (taken.outcome === 'full')
    return new Refusal('rate_limited', 'too many messages wait', { retryAfterSeconds: 1 });
  return new Refusal('conflict', `seq: ${taken.expected} is the next one`, {
    details: { expected: taken.expected },
  });
}
