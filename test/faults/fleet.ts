import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '@aerie/protocol';
import { API_KEY, type RunningGateway, startGateway } from '../support/gateway.js';
import { Watcher } from '../support/watcher.js';
import { Follower } from './follower.js';
import { Ledger } from './ledger.js';

export const CHANNELS = ['room:1', 'room:2', 'room:3'] as const;
/** In which it is seen who comes and goes. */
export const WATCHED = CHANNELS[0];
const RULES = JSON.stringify({
  channels: [
    {
      pattern: 'room:{id}',
      subscribe: 'authenticated',
      history: { size: 20_000, ttlMs: 600_000 },
      presence: true,
    },
  ],
});
const GATEWAYS = 3;
const WATCHERS = 5;
const PUBLISH_EVERY_MS = 20;
const ANSWER_MS = 3_000;
const SURELY_MS = 60_000;
// Also how long a client may take to come back before it is said to have left.
const DRAIN_MS = process.env['AERIE_FAULTS'] === 'full' ? 5_000 : 2_000;

/**
 * Gateways on one Redis, however many processes that is; clients that follow three channels, and some that see who is in one;
 * and publishers who repeat.
 */
export class Fleet {
  readonly gateways: RunningGateway[] = [];
  readonly followers: Follower[] = [];
  readonly watchers: Watcher[] = [];
  ledger = new Ledger();
  #publishing: Promise<unknown> | undefined;
  #calledOff = new AbortController();

  constructor(readonly redisUrl: string) {}

  async start(followers: number): Promise<this> {
    await Promise.all(Array.from({ length: GATEWAYS }, () => this.addGateway()));
    const urls = (): readonly string[] => this.gateways.map((gateway) => gateway.ws());
    for (let index = 0; index < followers; index += 1)
      this.followers.push(new Follower(`follower-${index}`, CHANNELS, urls));
    for (let index = 0; index < WATCHERS; index += 1)
      this.watchers.push(new Watcher(() => someOf(urls()), `watcher-${index}`, WATCHED));
    await this.everyoneIsThere();
    return this;
  }

  async addGateway(): Promise<void> {
    this.gateways.push(
      await startGateway({
        REDIS_URL: this.redisUrl,
        CHANNELS: RULES,
        TRUST_PROXY: 'loopback',
        DRAIN_WINDOW_MS: String(DRAIN_MS),
        LOG_LEVEL: 'warn',
      }),
    );
  }

  /** Takes one out of the list that clients and publishers choose from. */
  takeGateway(): RunningGateway {
    const gateway = this.gateways.shift();
    if (gateway === undefined) throw new Error('no gateway is left');
    return gateway;
  }

  /** SIGTERM, and until it has drained. */
  async drain(gateway: RunningGateway): Promise<void> {
    const exited = once(gateway.child, 'exit');
    gateway.child.kill('SIGTERM');
    await exited;
  }

  publish(): void {
    this.#calledOff = new AbortController();
    const { signal } = this.#calledOff;
    this.#publishing = Promise.all(CHANNELS.map((channel) => this.#publishTo(channel, signal)));
  }

  async stopPublishing(): Promise<void> {
    this.#calledOff.abort();
    await this.#publishing;
  }

  async everyoneIsThere(): Promise<void> {
    await until(
      () =>
        this.followers.every(({ isThere }) => isThere) &&
        this.watchers.every(({ status }) => status === 'subscribed'),
      'everyone is subscribed',
    );
  }

  /** Waits until every client stands where the channels end, and tells where that is. */
  async settled(): Promise<ReadonlyMap<string, Position>> {
    await this.everyoneIsThere();
    const ends = new Map<string, Position>();
    for (const channel of CHANNELS) ends.set(channel, await this.#endOf(channel));
    const isAtEnd = (follower: Follower): boolean =>
      [...ends].every(([channel, end]) => {
        const at = follower.position(channel);
        return at?.epoch === end.epoch && at.offset >= end.offset;
      });
    await until(() => this.followers.every(isAtEnd), 'everyone has arrived').catch(() => undefined);
    return ends;
  }

  /** As one of the gateways tells, with the number of their connections; or why it doesn't. */
  async membersOf(channel: string): Promise<readonly string[]> {
    const page = await this.#ask<{ members: { user: string; connections: number }[] }>(
      `presence?channel=${channel}`,
    ).catch((error: unknown) => String(error));
    if (typeof page === 'string') return [page];
    return page.members.map(({ user, connections }) => `${user} x ${connections}`);
  }

  /** All clients say goodbye. */
  async leave(): Promise<void> {
    for (const watcher of this.watchers) watcher.close();
    await Promise.all(this.followers.map((follower) => follower.stop()));
  }

  async stop(): Promise<void> {
    await this.stopPublishing();
    await this.leave();
    await Promise.all(this.gateways.map((gateway) => gateway.stop()));
  }

  async #publishTo(channel: string, calledOff: AbortSignal): Promise<void> {
    for (let n = 0; !calledOff.aborted; n += 1) {
      await this.#publishSurely(channel, `${channel} ${n} ${randomUUID()}`);
      await sleep(PUBLISH_EVERY_MS);
    }
  }

  /** Repeats with the same key, on whichever node, until somebody says yes. */
  async #publishSurely(channel: string, text: string): Promise<void> {
    const body = { channel, event: 'say', data: text, idempotencyKey: randomUUID() };
    for (const deadline = Date.now() + SURELY_MS; Date.now() < deadline; await sleep(100)) {
      const position = await this.#ask<Position>('publish', body).catch(() => undefined);
      if (position === undefined) continue;
      const { epoch, offset } = position;
      this.ledger.add({ channel, epoch, offset, text });
      return;
    }
    throw new Error(`nobody took a publication for ${SURELY_MS / 1_000} s`);
  }

  async #endOf(channel: string): Promise<Position> {
    for (const deadline = Date.now() + SURELY_MS; Date.now() < deadline; await sleep(200)) {
      const page = await this.#ask<Position>(`history?channel=${channel}&limit=1`).catch(() => undefined);
      if (page !== undefined) return { epoch: page.epoch, offset: page.offset };
    }
    throw new Error('no gateway tells where a channel stands');
  }

  async #ask<Answer>(path: string, body?: unknown): Promise<Answer> {
    const { url } = someOf(this.gateways);
    const response = await fetch(`${url}/api/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${response.status}`);
    return (await response.json()) as Answer;
  }
}

function someOf<Item>(items: readonly Item[]): Item {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error('none is left');
  return item;
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + SURELY_MS; !isSo(); await sleep(50))
    if (Date.now() > deadline) throw new Error(`after ${SURELY_MS / 1_000} s it is not so that ${what}`);
}
