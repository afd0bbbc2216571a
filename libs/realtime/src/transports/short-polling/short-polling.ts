import type { ErrorBody, HistoryReply } from '@aerie/protocol';
import type { ChannelAccess } from '../../channels/channel-access.js';
import type { Visitor } from '../../handshake/visitor.js';
import type { ChannelHistories } from '../../history/channel-histories.js';
import type { Route, RouteContext, RouteOutcome } from '../../http/route.js';
import type { UserBudgets } from '../../messages/user-budgets.js';
import type { RealtimeMetrics } from '../../metrics/meter.js';
import { Refusal } from '../../refusal.js';
import type { HttpDoor } from '../http-door.js';
import { entityTag, isWhole, names } from './entity-tag.js';
import { wantedPage, type WantedPage } from './wanted-page.js';

/** A browser may keep an answer and asks again each time, with its tag: nobody else may. */
const HEADERS = { 'cache-control': 'private, no-cache' } as const;

export interface ShortPollingOptions {
  readonly door: Pick<HttpDoor, 'visit'>;
  readonly access: Pick<ChannelAccess, 'subscribe'>;
  readonly histories: Pick<ChannelHistories, 'page' | 'position'>;
  readonly budgets: UserBudgets;
  readonly metrics: Pick<RealtimeMetrics, 'shortPoll'>;
}

/** Short polling: the history of a channel by plain requests, for who may subscribe to it. They open no connection, and are answered at once. */
export class ShortPolling {
  readonly #options: ShortPollingOptions;

  constructor(options: ShortPollingOptions) {
    this.#options = options;
  }

  /** `GET <path>?channel=room:7&after=41&epoch=…`. */
  route(path: string): Route {
    return { method: 'GET', path, cors: true, handle: (context) => this.#visit(context) };
  }

  #visit(context: RouteContext): Promise<RouteOutcome> {
    return this.#options.door.visit(context, 'short-polling', (visitor) => this.#answer(visitor, context));
  }

  async #answer(visitor: Visitor, { query, request }: RouteContext): Promise<RouteOutcome> {
    const { access, budgets } = this.#options;
    if (!budgets.take(visitor.session.user))
      return new Refusal('rate_limited', 'too many requests', { retryAfterSeconds: 1 });
    const wanted = wantedPage(query);
    if (wanted instanceof Refusal) return wanted;
    const refusal = await access.subscribe({ visitor, channel: wanted.channel });
    return refusal ?? this.#read(wanted, request.headers['if-none-match']);
  }

  async #read(wanted: WantedPage, known: string | undefined): Promise<RouteOutcome> {
    const { histories, metrics } = this.#options;
    const unchanged = known === undefined ? undefined : await this.#unchanged(wanted.channel, known);
    if (unchanged !== undefined) return unchanged;
    const outcome = await histories.page(wanted.channel, wanted);
    if (!outcome.ok) return refusalOf(outcome.error);
    metrics.shortPoll('read');
    const { ok: _, ...page } = outcome;
    return { body: page satisfies HistoryReply, headers: { ...HEADERS, ...tagOf(page) } };
  }

  /** 304 for who has everything: a look at where the channel stands, and at nothing else. */
  async #unchanged(channel: string, known: string): Promise<RouteOutcome> {
    const { histories, metrics } = this.#options;
    const position = await histories.position(channel);
    if (!position.ok) return refusalOf(position.error);
    const tag = entityTag(position);
    if (!names(known, tag)) return undefined;
    metrics.shortPoll('unchanged');
    return { status: 304, headers: { ...HEADERS, etag: tag } };
  }
}

function refusalOf({ code, message }: ErrorBody): Refusal {
  return new Refusal(code, message, code === 'unavailable' ? { retryAfterSeconds: 1 } : {});
}

// A page that ends earlier has none: it would say that there is nothing new.
function tagOf(page: HistoryReply): { etag?: string } {
  return isWhole(page) ? { etag: entityTag(page) } : {};
}
