import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '@aerie/protocol';
import { WebSocket } from 'ws';
import { someAddress, tokenFor } from '../support/gateway.js';
import type { Seen, Sight } from './ledger.js';

interface Frame {
  readonly event?: string;
  readonly channel?: string;
  readonly offset?: number;
  readonly data?: unknown;
  readonly id?: string;
  readonly error?: { readonly code: string };
}

interface SubscribeData extends Position {
  readonly channel: string;
  readonly recovered?: boolean;
  readonly publications?: readonly Frame[];
}

const PING_MS = 1_000;
/** A server that answers nothing for so long is given up. */
const SILENT_MS = 3_000;
const RETRY_MS = 200;

/**
 * A client of the tests' own, on a bare socket: follows channels, comes back whenever it is cut off, on whichever node is
 * there, says where it was, and writes down what it sees.
 */
export class Follower {
  readonly sights = new Map<string, Sight[]>();
  /** Milliseconds from each end to the last channel's reply. */
  readonly recoveries: number[] = [];
  readonly #positions = new Map<string, Position>();
  readonly #urls: () => readonly string[];
  #socket: WebSocket | undefined;
  #awaited = new Set<string>();
  #lostAt: number | undefined;
  #heardAt = 0;
  #isOffline = false;
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(
    readonly user: string,
    channels: readonly string[],
    urls: () => readonly string[],
  ) {
    this.#urls = urls;
    for (const channel of channels) this.sights.set(channel, []);
    this.#running = this.#follow();
  }

  /** Whether it is subscribed to all of its channels. */
  get isThere(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN && this.#awaited.size === 0;
  }

  position(channel: string): Position | undefined {
    return this.#positions.get(channel);
  }

  /** The network goes away for a while. */
  async drop(ms: number): Promise<void> {
    this.#isOffline = true;
    this.#socket?.terminate();
    await sleep(ms);
    this.#isOffline = false;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#socket?.close(1000);
    await this.#running;
  }

  async #follow(): Promise<void> {
    while (!this.#isOver) {
      if (!this.#isOffline) await this.#visit().catch(() => undefined);
      this.#lostAt ??= performance.now();
      await sleep(RETRY_MS * (0.5 + Math.random()));
    }
  }

  /** One connection, from its upgrade to its end. */
  async #visit(): Promise<void> {
    const urls = this.#urls();
    const socket = new WebSocket(urls[Math.floor(Math.random() * urls.length)] ?? '', {
      headers: { authorization: `Bearer ${tokenFor(this.user)}`, 'x-forwarded-for': someAddress() },
      handshakeTimeout: SILENT_MS,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    this.#awaited = new Set(this.sights.keys());
    this.#heardAt = performance.now();
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.#heard(JSON.parse(data.toString('utf8')) as Frame));
    const timer = setInterval(() => this.#look(socket), PING_MS);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(timer);
  }

  #look(socket: WebSocket): void {
    if (performance.now() - this.#heardAt > SILENT_MS) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) this.#send({ event: '$ping' });
  }

  #heard(frame: Frame): void {
    this.#heardAt = performance.now();
    const { event, id } = frame;
    if (event === '$welcome') for (const channel of this.#awaited) this.#subscribe(channel);
    else if (event === '$resync') this.#resynced(frame.data as Position & { channel: string });
    else if (id !== undefined && this.sights.has(id)) this.#answered(id, frame);
    else if (frame.channel !== undefined && frame.offset !== undefined)
      this.#got(frame.channel, seenIn(frame));
  }

  #subscribe(channel: string): void {
    const position = this.#positions.get(channel);
    this.#send({ event: '$subscribe', data: { channel, ...(position && { position }) }, id: channel });
  }

  #answered(channel: string, { data, error }: Frame): void {
    // Redis is away, say: it is asked again.
    if (error !== undefined) return void setTimeout(() => this.#subscribe(channel), RETRY_MS);
    const { epoch, offset, recovered, publications = [] } = data as SubscribeData;
    const at = { epoch, offset };
    const from = this.#positions.get(channel);
    const sight = { from, at, recovered, publications: publications.map(seenIn) };
    this.sights.get(channel)?.push({ kind: 'subscribed', ...sight });
    this.#positions.set(channel, at);
    this.#awaited.delete(channel);
    if (this.#awaited.size > 0 || this.#lostAt === undefined) return;
    this.recoveries.push(performance.now() - this.#lostAt);
    this.#lostAt = undefined;
  }

  #got(channel: string, seen: Seen): void {
    this.sights.get(channel)?.push({ kind: 'publication', seen });
    const { epoch = '' } = this.#positions.get(channel) ?? {};
    this.#positions.set(channel, { epoch, offset: seen.offset });
  }

  #resynced({ channel, epoch, offset }: Position & { channel: string }): void {
    this.sights.get(channel)?.push({ kind: 'resync', at: { epoch, offset } });
    this.#positions.set(channel, { epoch, offset });
  }

  #send(message: unknown): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

function seenIn({ offset = 0, data }: Frame): Seen {
  return { offset, text: String(data) };
}
