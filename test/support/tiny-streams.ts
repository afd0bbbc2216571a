import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { CLOSE, type ErrorCode, ERROR_STATUS, type Message } from '@aerie/protocol';
import { EPOCH, type KeptPublication, type TinyHistories } from './tiny-histories.js';
import { TinyPages } from './tiny-pages.js';

/** What the part over HTTP may get wrong. */
export type StreamFault =
  | 'lets proxies collect'
  | 'lets everybody in'
  | 'has no proofs'
  | 'names no forbidden channels'
  | 'takes any number of channels'
  | 'takes any id'
  | 'forgets places'
  | 'gives no ids'
  | 'ends without a word'
  | 'takes a seq again'
  | 'takes gaps'
  | 'believes names'
  | 'takes any body'
  | 'takes large messages'
  | 'makes up connections'
  | 'drops batches'
  | 'takes any cursor'
  | 'lets several polls wait'
  | 'polls say nothing at first'
  | 'keeps who left polling'
  | 'answers polls at once'
  | 'counts empty batches'
  | 'answers backwards'
  | 'has no heartbeat';

interface Peer {
  readonly id: string;
  readonly user: string;
  readonly channels: Set<string>;
  seq: number;
  emit(frame: object): void;
  /** The channels stand somewhere else. */
  moved(): void;
  end(): void;
}

const MAX_FRAME_BYTES = 1_024;
/** Longer than the suite waits for what is to come. */
const HOLD_MS = 3_000;
const HEARTBEAT_MS = 200;
const HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-transform',
  'x-accel-buffering': 'no',
};

/** Server-sent events, long polling and what is sent beside them, of another implementation. A user's token, and its proof, is its name. */
export class TinyStreams {
  readonly #peers = new Map<string, Peer>();
  readonly #polls = new Map<string, TinyPolls>();
  readonly #tickets = new Map<string, string>();
  readonly #histories: TinyHistories;
  readonly #pages: TinyPages;
  readonly #fault: string | undefined;

  constructor(histories: TinyHistories, fault?: string) {
    this.#histories = histories;
    this.#pages = new TinyPages(histories, fault);
    this.#fault = fault;
  }

  /** Whose a ticket is; it is used up. */
  redeem(ticket: string): string | undefined {
    const user = this.#tickets.get(ticket);
    if (!this.#is('takes tickets again')) this.#tickets.delete(ticket);
    return user;
  }

  publish(publication: KeptPublication): void {
    for (const peer of this.#peers.values())
      if (peer.channels.has(publication.channel)) this.#bring(peer, publication);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    void this.#handle(request, response).catch(() => response.destroy());
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://tiny');
    const user = this.#userOf(request);
    const name = String(request.headers['aerie-connection'] ?? '');
    if (user === undefined) return refuse(response, 'unauthenticated');
    if (pathname === '/sse') return this.#open(request, { response, user, searchParams });
    if (pathname === '/events') return this.#pages.answer(request, response);
    if (pathname === '/tickets') return this.#sell(user, response);
    if (pathname === '/send') return this.#send(request, { response, user, name });
    if (pathname !== '/poll') return refuse(response, 'not_found');
    if (name === '') return this.#open(request, { response, user, searchParams });
    const polls = this.#polls.get(name);
    if (polls === undefined) return refuse(response, 'session_gone');
    if (request.method === 'DELETE') return this.#leave(name, response);
    return polls.answer(response, Number(searchParams.get('cursor')));
  }

  #sell(user: string, response: ServerResponse): void {
    const ticket = randomUUID();
    this.#tickets.set(ticket, user);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ticket, expiresInMs: 30_000 }));
  }

  #userOf({ headers }: IncomingMessage): string | undefined {
    const proof = this.#is('has no proofs') ? undefined : headers['aerie-resume'];
    const token = headers.authorization?.replace('Bearer ', '') ?? proof;
    if (this.#is('lets everybody in')) return 'ann';
    return ['ann', 'bob'].find((user) => user === token);
  }

  #open(
    request: IncomingMessage,
    opening: {
      readonly response: ServerResponse;
      readonly user: string;
      readonly searchParams: URLSearchParams;
    },
  ): void {
    const { response, user, searchParams } = opening;
    const wanted = (searchParams.get('channels') ?? '').split(',').filter((one) => one !== '');
    const lastId = String(request.headers['last-event-id'] ?? searchParams.get('lastEventId') ?? '');
    const isAny = this.#is('takes any number of channels');
    if (wanted.length > 32 && !isAny) return refuse(response, 'limit_exceeded');
    if (wanted.some((one) => one.includes(' '))) return refuse(response, 'invalid');
    if (/^[^;]/.test(lastId) && !this.#is('takes any id')) return refuse(response, 'invalid');
    const isPolling = request.url?.startsWith('/poll') === true;
    const peer = isPolling ? this.#polling(user, response) : this.#streaming(user, response);
    this.#peers.set(peer.id, peer);
    peer.emit({ event: '$welcome', data: this.#welcome(peer, isPolling) });
    const places = new Map(this.#is('forgets places') ? [] : placesIn(lastId));
    for (const channel of wanted) this.#subscribe(peer, channel, places.get(channel));
  }

  #welcome({ id, user }: Peer, isPolling: boolean): object {
    return {
      connection: id,
      user,
      transport: isPolling ? 'long-polling' : 'sse',
      resume: this.#is('has no proofs') ? '' : user,
      maxFrameBytes: MAX_FRAME_BYTES,
      heartbeat: { intervalMs: HEARTBEAT_MS, timeoutMs: HEARTBEAT_MS },
    };
  }

  #subscribe(peer: Peer, channel: string, from: number | undefined): void {
    if (!channel.startsWith('public:')) {
      const error = { code: 'forbidden', message: 'no' };
      if (!this.#is('names no forbidden channels'))
        peer.emit({ event: '$subscribed', data: { channel, error } });
      return;
    }
    const end = this.#histories.end(channel);
    const recovered = from === undefined ? {} : { recovered: true };
    peer.emit({ event: '$subscribed', data: { channel, epoch: EPOCH, offset: from ?? end, ...recovered } });
    peer.channels.add(channel);
    for (const missed of this.#histories.behind(channel, from ?? end)) this.#bring(peer, missed);
    peer.moved();
  }

  #bring(peer: Peer, publication: KeptPublication): void {
    peer.emit(publication);
    peer.moved();
  }

  async #send(
    request: IncomingMessage,
    { response, user, name }: { response: ServerResponse; user: string; name: string },
  ): Promise<void> {
    const peer = this.#peers.get(name);
    if (request.headers['content-type'] !== 'application/json') return refuse(response, 'invalid', 415);
    const body = JSON.parse(await text(request)) as { seq?: number; messages?: unknown };
    if (peer === undefined)
      return this.#is('makes up connections') ? accept(response, body) : refuse(response, 'session_gone');
    if (peer.user !== user && !this.#is('believes names')) return refuse(response, 'forbidden');
    const messages = body.messages as readonly Message[];
    const isBody =
      Array.isArray(messages) && messages.length <= 64 && messages.every((one) => typeof one === 'object');
    if (!isBody) return this.#is('takes any body') ? accept(response, body) : refuse(response, 'invalid');
    const isLarge = messages.some((one) => JSON.stringify(one).length > MAX_FRAME_BYTES);
    if (isLarge && !this.#is('takes large messages')) return refuse(response, 'too_large');
    const { seq } = body;
    if (seq !== undefined && seq > peer.seq + 1 && !this.#is('takes gaps'))
      return refuse(response, 'conflict', 409, { expected: peer.seq + 1 });
    const isNew = seq === undefined || seq > peer.seq || this.#is('takes a seq again');
    peer.seq = Math.max(peer.seq, seq ?? 0);
    accept(response, body);
    if (!isNew) return;
    const inOrder = this.#is('answers backwards') ? messages.toReversed() : messages;
    for (const message of inOrder) this.#take(peer, message);
  }

  #take(peer: Peer, { event, id, data }: Message): void {
    if (event === '$ping') return peer.emit({ id, event: '$pong', data: { serverTime: Date.now() } });
    const { token } = data as { token: string };
    const resume = this.#is('has no proofs') ? {} : { resume: token };
    if (token === peer.user) return peer.emit({ id, data: { expiresAt: null, ...resume } });
    const { code, reason } = CLOSE.policy;
    if (!this.#is('ends without a word')) peer.emit({ event: '$close', data: { code, reason } });
    peer.end();
  }

  #leave(name: string, response: ServerResponse): void {
    if (!this.#is('keeps who left polling')) this.#forget(name);
    response.writeHead(204).end();
  }

  #forget(name: string): void {
    this.#peers.delete(name);
    this.#polls.delete(name);
  }

  #streaming(user: string, response: ServerResponse): Peer {
    const { 'content-type': type } = HEADERS;
    response.writeHead(200, this.#is('lets proxies collect') ? { 'content-type': type } : HEADERS);
    const channels = new Set<string>();
    const id = randomUUID();
    const timer = setInterval(() => this.#is('has no heartbeat') || response.write(':\n\n'), HEARTBEAT_MS);
    response.on('close', () => {
      clearInterval(timer);
      this.#forget(id);
    });
    return {
      id,
      user,
      channels,
      seq: 0,
      emit: (frame) => void response.write(`data: ${JSON.stringify(frame)}\n\n`),
      moved: () => void (this.#is('gives no ids') || response.write(`id: ${this.#places(channels)}\n\n`)),
      end: () => response.end(),
    };
  }

  #polling(user: string, response: ServerResponse): Peer {
    const channels = new Set<string>();
    const id = randomUUID();
    const polls = new TinyPolls(() => this.#places(channels), this.#fault);
    this.#polls.set(id, polls);
    const waits = this.#is('polls say nothing at first');
    setImmediate(() => polls.first(response, id, waits));
    return {
      id,
      user,
      channels,
      seq: 0,
      emit: (frame) => polls.push(frame),
      moved: () => undefined,
      end: () => (this.#is('ends without a word') ? this.#forget(id) : undefined),
    };
  }

  #places(channels: ReadonlySet<string>): string {
    return [...channels].map((channel) => `;${channel}/${EPOCH}/${this.#histories.end(channel)}`).join('');
  }

  #is(fault: StreamFault | 'takes tickets again'): boolean {
    return this.#fault === fault;
  }
}

/** One connection's polls: what is due, and who waits for it. */
class TinyPolls {
  #frames: object[] = [];
  #batch: readonly object[] = [];
  #cursor = 0;
  readonly #waiting = new Set<ServerResponse>();

  constructor(
    readonly places: () => string,
    readonly fault: string | undefined,
  ) {}

  push(frame: object): void {
    this.#frames.push(frame);
    const [waiting] = this.#waiting;
    if (waiting !== undefined) this.#give(waiting);
  }

  first(response: ServerResponse, connection: string, isEmpty: boolean): void {
    if (isEmpty) this.#reply(response, { connection, frames: [] });
    else this.#give(response, { connection });
  }

  answer(response: ServerResponse, cursor: number): void {
    const isRepeated = cursor === this.#cursor - 1;
    if (isRepeated && this.fault !== 'drops batches') return this.#reply(response, { frames: this.#batch });
    const isKnown = isRepeated || cursor === this.#cursor;
    if (!isKnown && this.fault !== 'takes any cursor') return refuse(response, 'conflict');
    if (this.#frames.length > 0) return this.#give(response);
    if (this.fault === 'answers polls at once') return this.#reply(response, { frames: [] });
    if (this.fault !== 'lets several polls wait')
      for (const older of this.#waiting) this.#reply(older, { frames: [] });
    this.#waiting.add(response);
    const timer = setTimeout(() => this.#tire(response), HOLD_MS).unref();
    response.once('close', () => {
      clearTimeout(timer);
      this.#waiting.delete(response);
    });
  }

  #tire(response: ServerResponse): void {
    if (this.fault === 'counts empty batches') this.#give(response);
    else this.#reply(response, { frames: [] });
  }

  #give(response: ServerResponse, more: object = {}): void {
    this.#batch = this.#frames.splice(0);
    this.#cursor += 1;
    this.#reply(response, { ...more, frames: this.#batch });
  }

  #reply(response: ServerResponse, fields: object): void {
    this.#waiting.delete(response);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ cursor: String(this.#cursor), id: this.places(), ...fields }));
  }
}

function placesIn(id: string): readonly (readonly [string, number])[] {
  const parts = id.split(';').filter((part) => part !== '');
  return parts.map((part) => [part.split('/')[0] ?? '', Number(part.split('/')[2])] as const);
}

function accept(response: ServerResponse, { seq }: { readonly seq?: number }): void {
  response.writeHead(202).end(JSON.stringify({ seq }));
}

function refuse(
  response: ServerResponse,
  code: ErrorCode,
  status: number = ERROR_STATUS[code],
  details?: object,
): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { code, message: 'no', details } }));
}
