import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Server } from 'node:net';
import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit, Optional } from '@nestjs/common';

/** Where the numbers come from. `undefined` is "unknown on this platform". */
export abstract class DescriptorSource {
  /** The soft limit of open descriptors (RLIMIT_NOFILE). */
  abstract limit(): number | undefined;
  /** How many are open now. */
  abstract count(): Promise<number | undefined>;
}

/** Reads Linux' /proc; elsewhere everything is unknown and nothing is limited. */
export class ProcDescriptors extends DescriptorSource {
  limit(): number | undefined {
    try {
      const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
      return soft === undefined ? undefined : Number(soft);
    } catch {
      return undefined;
    }
  }

  async count(): Promise<number | undefined> {
    try {
      // Listing the folder takes a descriptor itself.
      return (await readdir('/proc/self/fd')).length - 1;
    } catch {
      return undefined;
    }
  }
}

const MEASURE_EVERY_MS = 30_000;
const MIN_RESERVE = 64;
const RESERVE_SHARE = 0.05;
/** With fewer free descriptors than this not even a refusal is affordable: the listening socket drops connections. */
const DROP_BELOW = 32;

/**
 * How many file descriptors are left. Sockets are counted as they come and go; everything else (files, pipes, clients of
 * databases) is a baseline that is measured again every 30 s, without blocking the loop.
 */
@Injectable()
export class Descriptors implements OnModuleInit, OnModuleDestroy {
  /** Descriptors this process may have; undefined where the platform does not say. */
  readonly limit: number | undefined;
  readonly #source: DescriptorSource;
  readonly #servers = new Map<Server, number | undefined>();
  #sockets = 0;
  #baseline = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(@Optional() source?: DescriptorSource) {
    this.#source = source ?? new ProcDescriptors();
    this.limit = this.#source.limit();
  }

  /** Sockets of the watched servers plus everything else that was open at the last measurement. */
  get used(): number {
    return this.#sockets + this.#baseline;
  }

  /** Kept free for the process itself: 5 % of the limit, at least 64. */
  get reserve(): number {
    return Math.max(MIN_RESERVE, Math.ceil((this.limit ?? 0) * RESERVE_SHARE));
  }

  /** Share of the descriptors outside the reserve in use; 0 where the limit is unknown, at most 1. */
  get saturation(): number {
    if (this.limit === undefined) return 0;
    return Math.min(1, this.used / Math.max(1, this.limit - this.reserve));
  }

  /** True while only the reserve is left: a new connection gets 503. */
  get exhausted(): boolean {
    return this.limit !== undefined && this.used >= this.limit - this.reserve;
  }

  /** Counts the sockets of a listening server from now on, and has it drop connections before descriptors run out. */
  watch(server: Server): () => void {
    this.#servers.set(server, server.maxConnections || undefined);
    const count = this.#count;
    server.on('connection', count);
    this.#boundServers();
    return () => {
      server.off('connection', count);
      this.#servers.delete(server);
    };
  }

  async onModuleInit(): Promise<void> {
    await this.measure();
    this.#timer = setInterval(() => void this.measure(), MEASURE_EVERY_MS).unref();
    const limit = this.limit ?? 'unknown';
    new Logger('AerieDescriptors').log(
      `file descriptors: limit ${limit}, in use ${this.used}, reserve ${this.reserve}`,
    );
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
  }

  /** Takes the baseline anew; where it is unknown the old one stands. */
  async measure(): Promise<void> {
    const open = await this.#source.count();
    if (open === undefined) return;
    this.#baseline = Math.max(0, open - this.#sockets);
    this.#boundServers();
  }

  readonly #count = (socket: NodeJS.EventEmitter): void => {
    this.#sockets += 1;
    socket.on('close', this.#uncount);
  };

  // One listener for all of them, and no `once` around it: idle sockets are many.
  readonly #uncount = (): void => {
    this.#sockets -= 1;
  };

  #boundServers(): void {
    if (this.limit === undefined) return;
    const affordable = Math.max(1, this.limit - this.#baseline - DROP_BELOW);
    for (const [server, own] of this.#servers)
      server.maxConnections = Math.min(own ?? affordable, affordable);
  }
}
