import { randomBytes } from 'node:crypto';
import { userChannel } from '@aerie/protocol';
import type { TestClientOptions } from '../test-client.js';
import { type ProbeOptions, probeUpgrade, type UpgradeAnswer } from '../upgrade-probe.js';
import { ensure, fieldsOf } from './expectations.js';
import { GrpcSide } from './grpc-side.js';
import { HttpSide } from './http-side.js';
import type { SocketTalker, Talker } from './talker.js';
import { type ConformanceTarget, DEFAULT_CHANNEL } from './target.js';
import { WebSocketTalker } from './websocket-talker.js';

/** The first or the second of the two users. */
export type Who = 0 | 1;

const DEFAULT_TIMEOUT_MS = 5_000;
const POLL_MS = 20;

/** One test of one rule: opens connections to the target, and ends them all when it is over. */
export class Trial {
  readonly target: ConformanceTarget;
  readonly timeoutMs: number;
  /** What is asked by plain requests. */
  readonly http: HttpSide;
  /** What is asked by gRPC. */
  readonly grpc: GrpcSide;
  readonly #open = new Set<SocketTalker>();

  constructor(target: ConformanceTarget) {
    this.target = target;
    this.timeoutMs = target.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.http = new HttpSide(target, this.timeoutMs);
    this.grpc = new GrpcSide(target, this.timeoutMs);
  }

  /** A connection after the 101, with these credentials or none. */
  async connect(options: TestClientOptions = {}, url = this.target.url): Promise<SocketTalker> {
    const talker = await WebSocketTalker.open(url, { ...options, timeoutMs: this.timeoutMs });
    this.#open.add(talker);
    return talker;
  }

  /** A connection of a user that was welcomed. */
  async welcomed(who: Who = 0): Promise<SocketTalker> {
    const talker = await this.connect({ token: this.token(who) });
    await talker.frame('$welcome');
    return talker;
  }

  /** What the server answers to an upgrade; with the first user's token unless the options say otherwise. */
  probe(options: ProbeOptions = { token: this.token(0) }, url = this.target.url): Promise<UpgradeAnswer> {
    return probeUpgrade(url, { ...options, timeoutMs: this.timeoutMs });
  }

  /** What a plain GET on the URL of the WebSocket is answered. */
  async dryRun(query: Readonly<Record<string, string>> = {}, token?: string): Promise<Response> {
    const url = new URL(this.#http(this.urlWith(query)));
    return this.#fetch(url, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
  }

  /** Buys a ticket with these headers; the response, whatever it is. */
  buyTicket(
    headers: Readonly<Record<string, string>>,
    query: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const url = new URL(this.target.ticketsUrl ?? new URL('/tickets', this.#http(this.target.url)));
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const json = { 'content-type': 'application/json' };
    return this.#fetch(url, { method: 'POST', headers: { ...json, ...headers }, body: '{}' });
  }

  /** Calls the server API of the target. */
  async api(operation: string, body: Readonly<Record<string, unknown>>): Promise<void> {
    ensure(this.target.api !== undefined, 'no server API');
    const { url, key } = this.target.api;
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const request = { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await this.#fetch(new URL(`${url.replace(/\/$/, '')}/${operation}`), request);
    ensure(response.ok, `the server API answered ${operation} with ${response.status}`);
    await response.arrayBuffer();
  }

  token(who: Who): string {
    return this.target.tokens[who];
  }

  /** A channel with history and presence: a new one where the target has many. */
  channel(): string {
    return (this.target.channel ?? DEFAULT_CHANNEL).replaceAll('*', unique());
  }

  /** A channel with neither. */
  plainChannel(): string {
    ensure(this.target.plainChannel !== undefined, 'no plain channel');
    return this.target.plainChannel.replaceAll('*', unique());
  }

  /** A channel that the first user may not subscribe to. */
  async forbiddenChannel(): Promise<string> {
    return this.target.forbiddenChannel ?? userChannel(userOf(await this.welcomed(1)));
  }

  /** The URL of the WebSocket with this query on top of its own. */
  urlWith(query: Readonly<Record<string, string>>): string {
    const url = new URL(this.target.url);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Waits until this holds, asking again and again. */
  async until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
    const deadline = performance.now() + this.timeoutMs;
    while (!(await holds())) {
      ensure(performance.now() < deadline, `${what}: not within ${this.timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  [Symbol.dispose](): void {
    this.http.end();
    this.grpc.end();
    for (const talker of this.#open) talker.drop();
    this.#open.clear();
  }

  #http(url: string): string {
    return url.replace(/^ws/, 'http');
  }

  #fetch(url: URL, init: RequestInit): Promise<Response> {
    return fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(this.timeoutMs) });
  }
}

/** A name that nothing else has. */
export function unique(prefix = 'conformance-'): string {
  return `${prefix}${randomBytes(6).toString('hex')}`;
}

/** The user of a connection, as its `$welcome` says. */
export function userOf({ received }: Talker): string {
  const welcome = received.find(({ event }) => event === '$welcome');
  return String(fieldsOf(welcome?.data)['user']);
}
