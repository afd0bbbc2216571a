import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OnModuleDestroy } from '@nestjs/common';
import { z } from 'zod';
import type { Admission } from '../../connections/admission.js';
import type { Caller } from '../../handshake/caller.js';
import type { Route, RouteContext, RouteOutcome } from '../../http/route.js';
import { randomId } from '../../random-id.js';
import { Refusal } from '../../refusal.js';
import type { HttpDoor } from '../http-door.js';
import type { HttpEntrance } from '../http-entrance.js';
import type { HttpLink } from '../http-link.js';
import { type Holder, type HttpLinks, sessionGone } from '../http-links.js';
import { connectionOf, proofIn } from '../upstream.js';
import { PollLink, type Poll, type Polled } from './poll-link.js';
import { PollWire } from './poll-wire.js';

const CALLS = { poll: 'poll', abandon: 'poll-abandon', leave: 'poll-leave' } as const;
/** How long a poll waits where its connection is on this node. */
const HOLD_MS = 25_000;
/** And where another node has it: if that one dies, nothing else tells. */
const FAR_HOLD_MS = 10_000;
/** Who asks a node that is about to stop is to ask another one soon. */
const DRAINING_HOLD_MS = 1_000;
/** How long the first answer waits for `$welcome`. */
const OPENING_MS = 5_000;
/** What an answer needs beside its hold. */
const MARGIN_MS = 3_000;
const NAME_BYTES = 12;
const CURSOR = /^\d{1,15}$/;
const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' } as const;

const PollData = z.object({ name: z.string(), cursor: z.int(), holdMs: z.number() });
const AbandonData = z.object({ name: z.string() });
const Answer = z.discriminatedUnion('state', [
  z.object({ state: z.literal('batch'), cursor: z.int(), id: z.string(), frames: z.string() }),
  z.object({ state: z.enum(['stale', 'gone']) }),
]);

export interface LongPollingOptions {
  readonly door: HttpDoor;
  readonly entrance: HttpEntrance;
  readonly links: HttpLinks;
  readonly caller: Pick<Caller, 'sessionOf'>;
  readonly admission: Pick<Admission, 'state'>;
}

/**
 * Long polling: for clients that can't even have a response that goes on. The first request opens a connection; the next ones,
 * on whichever node, wait for its frames. What they send comes by `POST /send`.
 */
export class LongPolling implements OnModuleDestroy {
  /** Answer the polls that wait here for connections of other nodes. */
  readonly #far = new Set<(answer: unknown) => void>();
  readonly #options: LongPollingOptions;

  constructor(options: LongPollingOptions) {
    this.#options = options;
    const { links } = options;
    links.handle(CALLS.poll, (link, data) => pollLinkOf(link)?.poll(PollData.parse(data)) ?? GONE);
    links.handle(CALLS.abandon, (link, data) => {
      pollLinkOf(link)?.abandon(AbandonData.parse(data).name);
      return null;
    });
    links.handle(CALLS.leave, (link) => {
      const polled = pollLinkOf(link);
      polled?.leave();
      return polled === undefined ? GONE : null;
    });
  }

  /** `GET` opens a connection or asks for more, `DELETE` says goodbye. */
  routes(path: string): readonly Route[] {
    return [
      { method: 'GET', path, cors: true, handle: (context) => this.#get(context) },
      { method: 'DELETE', path, cors: true, handle: (context) => this.#leave(context) },
    ];
  }

  #get(context: RouteContext): Promise<RouteOutcome> {
    const isFirst = context.request.headers['aerie-connection'] === undefined;
    return isFirst ? this.#open(context) : this.#poll(context);
  }

  #open(context: RouteContext): Promise<RouteOutcome> {
    const { door, entrance } = this.#options;
    const { request, response } = context;
    return door.admit(context, 'long-polling', async (arrival, channels) => {
      // A `HEAD` asks what a `GET` would be answered.
      if (request.method === 'HEAD') return { status: 200, headers: JSON_HEADERS };
      const link = entrance.open(arrival, {
        channels,
        wire: (comingBack) => new PollWire(comingBack),
        link: (wire, client, ports) => new PollLink(wire, client, ports),
      });
      // Whoever went away now does not know its connection's name.
      const settle = whenGone(response, () => link.connection.destroy());
      const polled = await link.poll({ name: '', cursor: 0, holdMs: OPENING_MS });
      settle();
      return replyOf(polled, link.connection.id);
    });
  }

  async #poll({ request, response, query }: RouteContext): Promise<RouteOutcome> {
    const holder = await this.#holder(request);
    if (holder instanceof Refusal) return holder;
    if (request.method === 'HEAD') return { status: 200, headers: JSON_HEADERS };
    const [cursor = '', ...more] = query.getAll('cursor');
    if (!CURSOR.test(cursor) || more.length > 0)
      return new Refusal('invalid', 'cursor must be that of the last batch');
    const holdMs = this.#holdMs(holder);
    const poll: Poll = { name: randomId(NAME_BYTES), cursor: Number(cursor), holdMs };
    const settle = whenGone(response, () => this.#abandon(holder, poll.name));
    const answer = await this.#ask(holder, poll);
    settle();
    return answer instanceof Refusal ? answer : replyOf(Answer.parse(answer));
  }

  /** Who waits here for another node's connection is to ask another one. Those of this node have been told by the drain. */
  onModuleDestroy(): void {
    const refusal = new Refusal('draining', 'this node is shutting down', { retryAfterSeconds: 1 });
    for (const answer of this.#far) answer(refusal);
  }

  #ask(holder: Holder, poll: Poll): Promise<unknown> {
    const { links } = this.#options;
    const call = { name: CALLS.poll, data: poll, timeoutMs: poll.holdMs + MARGIN_MS };
    if (links.has(holder.connection)) return links.ask(holder, call);
    return new Promise((resolve, reject) => {
      this.#far.add(resolve);
      const asked = links.ask(holder, call).finally(() => this.#far.delete(resolve));
      asked.then(resolve, reject);
    });
  }

  async #leave({ request }: RouteContext): Promise<RouteOutcome> {
    const holder = await this.#holder(request);
    if (holder instanceof Refusal) return holder;
    const answer = await this.#options.links.ask(holder, { name: CALLS.leave, data: null });
    if (answer instanceof Refusal) return answer;
    return Answer.safeParse(answer).success ? sessionGone() : { status: 204 };
  }

  /** Whose connection a request is about. A header names it, which no page of a foreign origin can set. */
  async #holder(request: IncomingMessage): Promise<Holder | Refusal> {
    const connection = connectionOf(request);
    if (connection instanceof Refusal) return connection;
    const session = await this.#options.caller.sessionOf(request, {
      proof: proofIn(request),
      withoutOrigin: true,
    });
    return session instanceof Refusal ? session : { user: session.user, connection };
  }

  #holdMs({ connection }: Holder): number {
    const { links, admission } = this.#options;
    if (links.has(connection)) return HOLD_MS;
    return admission.state === 'closed' ? DRAINING_HOLD_MS : FAR_HOLD_MS;
  }

  // Its batch stays; that the client is silent from now on is all there is to tell, and the hold ends by itself.
  #abandon(holder: Holder, name: string): void {
    this.#options.links.ask(holder, { name: CALLS.abandon, data: { name } }).catch(() => undefined);
  }
}

const GONE: Polled = { state: 'gone' };

function pollLinkOf(link: HttpLink): PollLink | undefined {
  return link instanceof PollLink ? link : undefined;
}

/** Calls `gone` if the client leaves before the returned function is called. */
function whenGone(response: ServerResponse, gone: () => void): () => void {
  response.once('close', gone);
  return () => response.off('close', gone);
}

// The frames are JSON already, and stay as they were published.
function replyOf(polled: Polled, connection?: string): RouteOutcome {
  if (polled.state !== 'batch')
    return polled.state === 'stale'
      ? new Refusal('conflict', 'cursor: not that of the last batch')
      : sessionGone();
  const { cursor, id, frames } = polled;
  const fields = JSON.stringify({ connection, cursor: `${cursor}`, id });
  return { body: `${fields.slice(0, -1)},"frames":[${frames}]}`, headers: JSON_HEADERS };
}
