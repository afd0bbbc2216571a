import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, ERROR_STATUS } from '@aerie/protocol';
import { EPOCH, type TinyHistories } from './tiny-histories.js';

/** What short polling may get wrong. */
export type PageFault =
  | 'begins with the oldest'
  | 'brings what is there already'
  | 'goes on across epochs'
  | 'ignores tags'
  | 'tags every page'
  | 'lets anybody keep pages'
  | 'takes any origin'
  | 'takes any query'
  | 'makes up histories';

/** `GET /events` of another implementation. */
export class TinyPages {
  constructor(
    readonly histories: TinyHistories,
    readonly fault?: string,
  ) {}

  answer({ url, headers }: IncomingMessage, response: ServerResponse): void {
    const { searchParams: query } = new URL(url ?? '/', 'http://tiny');
    const channel = query.get('channel') ?? '';
    const error = this.#refusal(channel, query, headers.origin);
    if (error !== undefined)
      return reply(response, ERROR_STATUS[error], { error: { code: error, message: 'no' } });
    const page = this.#page(channel, query);
    const tag = `"${EPOCH}/${page.offset}"`;
    const isWhole =
      (page.publications.at(-1)?.offset ?? page.offset) === page.offset && page.recovered !== false;
    response.setHeader('cache-control', this.#is('lets anybody keep pages') ? 'public' : 'private, no-cache');
    if (headers['if-none-match'] === tag && !this.#is('ignores tags'))
      return void response.writeHead(304).end();
    if (isWhole || this.#is('tags every page')) response.setHeader('etag', tag);
    reply(response, 200, page);
  }

  #refusal(channel: string, query: URLSearchParams, origin: string | undefined): ErrorCode | undefined {
    if (origin !== undefined && !this.#is('takes any origin')) return 'forbidden';
    if (!isPossible(query)) return this.#is('takes any query') ? undefined : 'invalid';
    if (channel.startsWith('plain:')) return this.#is('makes up histories') ? undefined : 'not_found';
    if (channel.startsWith('public:')) return undefined;
    return this.#is('tells what exists') && !channel.startsWith('user:') ? 'not_found' : 'forbidden';
  }

  #page(channel: string, query: URLSearchParams) {
    const epoch = query.get('epoch');
    const place = { channel, epoch: EPOCH, offset: this.histories.end(channel) };
    const isForeign = epoch !== null && epoch !== EPOCH && !this.#is('goes on across epochs');
    if (isForeign) return { ...place, recovered: false, publications: [] };
    const limit = Number(query.get('limit') ?? 100);
    const found = this.#publications(channel, query.get('after'), limit);
    return { ...place, ...(epoch !== null && { recovered: true }), publications: found };
  }

  #publications(channel: string, after: string | null, limit: number) {
    if (after === null && this.#is('begins with the oldest'))
      return this.histories.behind(channel, 0).slice(0, limit);
    if (after === null) return this.histories.behind(channel, 0).slice(-limit);
    const from = Number(after) - (this.#is('brings what is there already') ? 1 : 0);
    return this.histories.behind(channel, Math.max(0, from)).slice(0, limit);
  }

  #is(fault: PageFault | 'tells what exists'): boolean {
    return this.fault === fault;
  }
}

function isPossible(query: URLSearchParams): boolean {
  const [channel, after, epoch, limit] = ['channel', 'after', 'epoch', 'limit'].map((name) =>
    query.get(name),
  );
  if (!/^[\w:.-]+$/.test(channel ?? '')) return false;
  if (after !== null && !/^\d+$/.test(after ?? '')) return false;
  return !(epoch !== null && after === null) && Number(limit ?? 1) <= 100;
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
