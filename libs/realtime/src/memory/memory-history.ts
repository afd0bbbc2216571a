import { randomUUID } from 'node:crypto';
import type { Position } from '@aerie/protocol';
import {
  type Append,
  History,
  type HistoryChannel,
  type HistoryPage,
  type HistoryRange,
} from '../history/history.js';
import type { Announced } from '../publishing/backplane.js';
import { MemoryHub } from './memory-hub.js';
import { MemoryStream } from './memory-stream.js';

const HOUR_MS = 3_600_000;
/** One that nobody appended to is begun by whoever may subscribe, by a name: it stays for minutes only. */
const EMPTY_LIFE_MS = 600_000;
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;

/**
 * The histories of one process; a restart forgets them. Past 256 MiB in all, those that were asked for longest ago are
 * forgotten as a whole: their channels then begin a new epoch.
 */
export class MemoryHistory extends History {
  readonly #hub: MemoryHub;
  readonly #maxBytes: number;
  /** By the time of their last use, the oldest first. */
  readonly #streams = new Map<string, MemoryStream>();
  #bytes = 0;

  /** @param hub That of the backplane, which announces what is appended. */
  constructor(hub: MemoryHub = new MemoryHub(), maxBytes = DEFAULT_MAX_BYTES) {
    super();
    this.#hub = hub;
    this.#maxBytes = maxBytes;
  }

  async start(): Promise<void> {}

  append(publication: Append): Promise<Announced> {
    return this.#hub.announce(publication, () => this.#append(publication));
  }

  async read({ after, through = Infinity, limit, maxBytes, ...channel }: HistoryRange): Promise<HistoryPage> {
    const stream = this.#use(channel);
    const entries: HistoryPage['entries'][number][] = [];
    let bytes = 0;
    for (const entry of stream.readAfter(after)) {
      bytes += entry.frame.byteLength;
      if (entry.offset > through || entries.length === limit) break;
      if (bytes > maxBytes && entries.length > 0) break;
      entries.push(entry);
    }
    return { ...stream.position, entries };
  }

  async position(channel: HistoryChannel): Promise<Position> {
    return this.#use(channel).position;
  }

  async close(): Promise<void> {
    this.#streams.clear();
    this.#bytes = 0;
  }

  #append({ channel, limits, frame }: Append): Position {
    const stream = this.#use({ channel, limits });
    this.#bytes += stream.append(frame, limits.size);
    stream.expiresAt = Date.now() + limits.ttlMs + HOUR_MS;
    this.#forgetOldest(channel);
    return stream.position;
  }

  #use({ channel, limits }: HistoryChannel): MemoryStream {
    const now = Date.now();
    this.#forgetExpired(now);
    const stream = this.#streams.get(channel) ?? this.#begin();
    this.#bytes -= stream.trim(now - limits.ttlMs);
    stream.expiresAt = now + (stream.position.offset > 0 ? limits.ttlMs + HOUR_MS : EMPTY_LIFE_MS);
    this.#streams.delete(channel);
    this.#streams.set(channel, stream);
    return stream;
  }

  #begin(): MemoryStream {
    const stream = new MemoryStream(randomUUID());
    this.#bytes += stream.bytes;
    return stream;
  }

  #forgetExpired(now: number): void {
    for (const [channel, { expiresAt }] of this.#streams) {
      if (expiresAt > now) return;
      this.#drop(channel);
    }
  }

  #forgetOldest(butNot: string): void {
    for (const channel of this.#streams.keys()) {
      if (this.#bytes <= this.#maxBytes || channel === butNot) return;
      this.#drop(channel);
    }
  }

  #drop(channel: string): void {
    this.#bytes -= this.#streams.get(channel)?.bytes ?? 0;
    this.#streams.delete(channel);
  }
}
