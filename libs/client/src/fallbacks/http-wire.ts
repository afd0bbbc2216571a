import { JSON_SUBPROTOCOL, SYSTEM } from '@aerie/protocol';
import { JSON_CODEC } from '../codec.js';
import { answerOf } from '../dry-run.js';
import { fieldsOf, readFrame, type ServerFrame } from '../server-frame.js';
import type { Wire, WireEvents, WireSetup } from '../wire.js';
import { sleep } from './sleep.js';
import { Upstream } from './upstream.js';

export interface HttpTransportOptions {
  /** Where frames come from. Default: beside the WebSocket's address, `/sse` or `/poll` for `/ws`. */
  readonly url?: string | URL;
  /** Where messages go to. Default: `/send` beside the WebSocket's address. */
  readonly sendUrl?: string | URL;
}

/** What is still to be sent at a goodbye gets this long. */
const GOODBYE_MS = 5_000;
const REQUEST_MS = 15_000;
const LOST = { code: 1006, reason: '' };
const CLOSE_FRAME = `{"event":"${SYSTEM.close}"`;

/** A wire of plain HTTP: what all of them have is the way up, who they are, and how they end. */
export abstract class HttpWire implements Wire {
  readonly hidesRefusals = false;
  protected readonly setup: WireSetup;
  protected readonly events: WireEvents;
  /** As the server named it; empty until it did. */
  protected connection = '';
  /** The last id of the server, which stands for the session as well. */
  protected id = '';
  readonly #sendUrl: string | URL;
  readonly #abort = new AbortController();
  readonly #upstream: Upstream;
  #resume = '';
  #learned = false;

  constructor(setup: WireSetup, events: WireEvents, { sendUrl = 'send' }: HttpTransportOptions) {
    this.setup = setup;
    this.events = events;
    this.#sendUrl = sendUrl;
    const post = (body: string): Promise<number | undefined> => this.#post(body);
    this.#upstream = new Upstream({ post, lost: () => this.lost(), signal: this.signal });
  }

  protocol(): string {
    return JSON_SUBPROTOCOL;
  }

  bufferedBytes(): number {
    return this.#upstream.bufferedBytes;
  }

  send(data: unknown): void {
    this.#upstream.send(String(data));
  }

  close(): void {
    void this.#goodbye();
  }

  drop(): void {
    this.#abort.abort();
  }

  protected get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Another address of the same server, given relative to the WebSocket's, whose query it has unless it has its own. */
  protected address(target: string | URL): URL {
    const { url } = this.setup.credentials;
    const address = new URL(target, url.href.replace(/^ws/, 'http'));
    if (address.search === '') address.search = url.search;
    return address;
  }

  /** Tells the server that nobody comes back. Default: it sees that for itself. */
  protected leave(): void {}

  protected lost(): void {
    this.events.closed(LOST);
  }

  /** The request that opens the connection. Undefined where the network failed; a refusal has been passed on. */
  protected async enter(target: string | URL, accept: string): Promise<Response | undefined> {
    const { credentials: who, credential } = this.setup;
    const address = this.address(target);
    // It serves once, so only here; a token stands in a header.
    if (who.singleUse) address.searchParams.set('ticket', credential);
    const { url, headers, credentials } = who.request(address, who.bearer);
    const response = await this.#fetch(url, { headers: { ...headers, accept }, credentials });
    if (response?.ok && response.headers.get('content-type')?.startsWith(accept)) return response;
    if (this.signal.aborted) return undefined;
    if (response && !response.ok) this.events.closed({ ...LOST, answer: await answerOf(response) });
    else this.lost();
    return undefined;
  }

  /** A request beside the one that opened the connection. Undefined where the network failed. */
  protected ask(
    target: string | URL,
    { headers: more = {}, ...init }: AskInit = {},
  ): Promise<Response | undefined> {
    const who = this.setup.credentials;
    const { url, headers, credentials } = who.request(this.address(target), who.bearer);
    const proof = this.id ? { 'last-event-id': this.id } : { 'aerie-resume': this.#resume };
    const all = { ...headers, ...(who.singleUse && proof), 'aerie-connection': this.connection, ...more };
    return this.#fetch(url, { ...init, credentials, headers: all });
  }

  /** One frame as JSON. False: it was the last. */
  protected take(frame: string): boolean {
    if (frame.startsWith(CLOSE_FRAME)) return this.#end(frame);
    if (!this.#learned) this.#learn(frame);
    this.events.received(frame);
    return true;
  }

  async #fetch(url: string, init: RequestInit): Promise<Response | undefined> {
    try {
      // Redirects stay unfollowed: a credential must not travel on to another address.
      return await this.setup.fetch(url, {
        signal: this.signal,
        cache: 'no-store',
        redirect: 'error',
        ...init,
      });
    } catch {
      return undefined;
    }
  }

  async #post(body: string): Promise<number | undefined> {
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(REQUEST_MS)]);
    const headers = { 'content-type': 'application/json' };
    const response = await this.ask(this.#sendUrl, { method: 'POST', headers, body, signal });
    await response?.body?.cancel().catch(() => undefined);
    return response?.status;
  }

  async #goodbye(): Promise<void> {
    await Promise.race([this.#upstream.idle(), sleep(GOODBYE_MS, this.signal)]);
    if (this.signal.aborted) return;
    this.drop();
    this.leave();
  }

  #learn(frame: string): void {
    const { event, data } = parsed(frame);
    if (event !== SYSTEM.welcome) return;
    const { connection = '', resume = '' } = fieldsOf(data);
    this.#learned = true;
    this.connection = connection;
    this.#resume = resume;
  }

  #end(frame: string): false {
    this.events.closed({ ...LOST, ...fieldsOf(parsed(frame).data) });
    return false;
  }
}

interface AskInit {
  readonly method?: string;
  readonly body?: string;
  readonly keepalive?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

function parsed(json: string): ServerFrame {
  return readFrame(json, JSON_CODEC);
}
