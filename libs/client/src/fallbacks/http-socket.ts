import { JSON_SUBPROTOCOL, SYSTEM } from '@aerie/protocol';
import { JSON_CODEC } from '../codec.js';
import { answerOf } from '../http-answer.js';
import { fieldsOf, readFrame, type ServerFrame } from '../server-frame.js';
import type { Answer, WireEvents, WireSetup, WireSocket } from '../wire.js';
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

/** Plain HTTP in place of a WebSocket: what all of them have is the way up, who they are, and how they end. */
export abstract class HttpSocket implements WireSocket {
  readonly protocol = JSON_SUBPROTOCOL;
  /** Why it was not let in. */
  answer: Answer | undefined;
  protected readonly setup: WireSetup;
  protected readonly events: WireEvents;
  /** As the server named it; empty until it did. */
  protected connection = '';
  /** The last id of the server, which stands for the session as well. */
  protected id = '';
  readonly #sendUrl: string | URL;
  readonly #abort = new AbortController();
  readonly #upstream: Upstream;
  #bearer: string;
  #resume = '';
  #learned = false;

  constructor(setup: WireSetup, events: WireEvents, { sendUrl = 'send' }: HttpTransportOptions) {
    this.setup = setup;
    this.events = events;
    this.#sendUrl = sendUrl;
    this.#bearer = this.isTicket ? '' : setup.credential;
    const post = (body: string): Promise<number | undefined> => this.#post(body);
    this.#upstream = new Upstream({ post, lost: () => this.lost(), signal: this.signal });
  }

  get bufferedAmount(): number {
    return this.#upstream.bufferedBytes;
  }

  send(data: unknown): void {
    const message = String(data);
    if (message.includes(`"${SYSTEM.auth}"`)) this.#renew(message);
    this.#upstream.send(message);
  }

  close(): void {
    void this.#goodbye();
  }

  terminate(): void {
    this.#abort.abort();
  }

  /** A ticket serves once: what stands for it in later calls the server has named. */
  protected get isTicket(): boolean {
    return this.setup.credentials.name === 'ticket';
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
    const address = this.address(target);
    // It serves once, so only here; a token stands in a header.
    if (this.isTicket) address.searchParams.set('ticket', this.setup.credential);
    const response = await this.#fetch(address, { headers: { accept } });
    if (response?.ok && response.headers.get('content-type')?.startsWith(accept)) return response;
    if (this.signal.aborted) return undefined;
    if (response && !response.ok) this.answer = await answerOf(response);
    this.lost();
    return undefined;
  }

  /** A request beside the one that opened the connection. Undefined where the network failed. */
  protected async ask(target: string | URL, init: AskInit = {}): Promise<Response | undefined> {
    const response = await this.#ask(target, init);
    // A token may end before its session does.
    if (response?.status !== 401 || !this.#bearer) return response;
    this.#bearer = await this.setup.credentials.obtain().catch(() => '');
    return this.#bearer ? this.#ask(target, init) : response;
  }

  /** One frame as JSON. False: it was the last. */
  protected take(frame: string): boolean {
    if (frame.startsWith(CLOSE_FRAME)) return this.#end(frame);
    this.events.received(this.#learned ? frame : this.#learn(frame));
    return true;
  }

  #ask(target: string | URL, { headers, ...init }: AskInit): Promise<Response | undefined> {
    const proof = this.id ? { 'last-event-id': this.id } : { 'aerie-resume': this.#resume };
    const who = { ...(this.isTicket && proof), 'aerie-connection': this.connection };
    return this.#fetch(this.address(target), { ...init, headers: { ...who, ...headers } });
  }

  async #fetch(url: URL, { headers, ...init }: AskInit): Promise<Response | undefined> {
    const { fetch, credentials } = this.setup;
    try {
      return await fetch(url.href.replace(/^ws/, 'http'), {
        signal: this.signal,
        cache: 'no-store',
        // Redirects stay unfollowed: a credential must not travel on to another address.
        redirect: 'error',
        credentials: credentials.via ? 'same-origin' : 'include',
        headers: { ...(this.#bearer && { authorization: `Bearer ${this.#bearer}` }), ...headers },
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
    this.terminate();
    this.leave();
  }

  /** A new token for the session is one for its calls as well. */
  #renew(message: string): void {
    const { event, data } = parsed(message);
    const { token } = Object(data) as { readonly token?: string };
    if (event === SYSTEM.auth && token) this.#bearer = token;
  }

  /** The frame as it goes on: what `$welcome` says to who calls is not the application's to see. */
  #learn(frame: string): string {
    const { event, data } = parsed(frame);
    if (event !== SYSTEM.welcome) return frame;
    const { resume = '', ...welcome } = fieldsOf(data);
    this.#learned = true;
    this.#resume = resume;
    this.connection = welcome.connection ?? '';
    return JSON.stringify({ event, data: welcome });
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
