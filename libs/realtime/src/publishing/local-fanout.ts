import type { Position } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { Framing } from '../connections/wire.js';

/** How many receivers one slice of a large pass serves before the event loop gets its turn. */
const SLICE = 500;
/** Frames that wait for a channel's next pass are flushed at once beyond this. Bytes. */
const TURN_BYTES = 256 * 1024;

/** What becomes of a publication whose receiver is behind: the connection ends, the frame is skipped, or only the latest is kept. */
export type SlowPolicy = 'disconnect' | 'drop' | 'conflate';

export interface FanoutTarget {
  /** Who is one at this moment. */
  members(): readonly Connection[];
  readonly count: number;
  readonly slow: SlowPolicy;
}

export interface FanoutOptions {
  /** Who receives a channel's frames on this node, at this moment; undefined: nobody. */
  readonly target: (channel: string) => FanoutTarget | undefined;
}

/**
 * Gives a channel's frames to its members on this node. The frames of one turn of the event loop are framed once and
 * joined, and written once per member: the kernel's write per client is the limit, not JavaScript. A pass over many members
 * yields to the loop; order per channel is kept, also for a member that leaves in the middle (`flush`, `settle`).
 */
export class LocalFanout {
  readonly #turns = new Map<string, ChannelTurn>();
  #scheduled = false;

  constructor(private readonly options: FanoutOptions) {}

  /** Channels with frames on their way. */
  get busy(): number {
    return this.#turns.size;
  }

  /** `position`: where it brings the channel, if that has a history. */
  deliver(channel: string, payload: Uint8Array, position?: Position): void {
    const turn = this.#turns.get(channel) ?? this.#newTurn(channel);
    turn.add(payload, position);
    if (turn.bytes > TURN_BYTES) turn.start();
    this.#schedule();
  }

  /** Call before a channel gets a new member: what was published before it came is none of its business. */
  flush(channel: string): void {
    this.#turns.get(channel)?.start();
  }

  /** Call before a member leaves: it gets what was published until now, and nothing after. */
  settle(channel: string, leaving: Connection): void {
    const turn = this.#turns.get(channel);
    if (turn === undefined) return;
    turn.start();
    turn.finishFor(leaving);
  }

  #newTurn(channel: string): ChannelTurn {
    const turn = new ChannelTurn(channel, this.options);
    this.#turns.set(channel, turn);
    return turn;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    // Of one channel's frames there is nothing left to join.
    const corks = this.#turns.size > 1 ? new Corks() : undefined;
    for (const [channel, turn] of this.#turns) {
      turn.advance(corks);
      if (turn.idle) this.#turns.delete(channel);
    }
    corks?.pull();
    if (this.#turns.size > 0) this.#schedule();
  }
}

/** Joins what several channels have for one connection in one turn, as a channel's turn joins its frames. */
class Corks {
  readonly #corked: Connection[] = [];

  put(connection: Connection): void {
    if (connection.cork()) this.#corked.push(connection);
  }

  pull(): void {
    for (const connection of this.#corked) guarded(connection, uncork);
  }
}

/** A channel's outbox for one turn, and the passes over its members that have not ended. */
class ChannelTurn {
  #frames: Uint8Array[] = [];
  #passes: Pass[] = [];
  #position: Position | undefined;
  bytes = 0;

  constructor(
    private readonly channel: string,
    private readonly options: FanoutOptions,
  ) {}

  get idle(): boolean {
    return this.#frames.length === 0 && this.#passes.length === 0;
  }

  add(payload: Uint8Array, position: Position | undefined): void {
    this.#frames.push(payload);
    this.#position = position;
    this.bytes += payload.byteLength;
  }

  /** Closes the turn: its frames go to whoever is a member now. */
  start(corks?: Corks): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.bytes = 0;
    const target = this.options.target(this.channel);
    if (target === undefined) return;
    const { slow, count } = target;
    const { channel } = this;
    const pass = new Pass({ channel, frames, slow, members: target.members(), position: this.#position });
    if (count <= SLICE && this.#passes.length === 0) pass.serve(count, corks);
    else this.#passes.push(pass);
  }

  /** One slice of the oldest pass. What was published meanwhile waits for its end, joined: else passes would pile up. */
  advance(corks?: Corks): void {
    if (this.#passes.length === 0) this.start(corks);
    const first = this.#passes[0];
    if (first === undefined) return;
    first.serve(SLICE, corks);
    if (first.done) this.#passes.shift();
  }

  finishFor(leaving: Connection): void {
    for (const pass of this.#passes) pass.serveEarly(leaving);
  }
}

interface PassOptions {
  readonly channel: string;
  readonly frames: readonly Uint8Array[];
  readonly slow: SlowPolicy;
  readonly members: readonly Connection[];
  /** Where the last frame brings the channel. */
  readonly position: Position | undefined;
}

const logger = new Logger('AerieFanout');

/** One walk over the members as they were at its start. */
class Pass {
  readonly #framed = new Map<Framing, Buffer>();
  #next = 0;
  /** Who was not served yet: known only once somebody leaves in the middle. */
  #waiting: Set<Connection> | undefined;

  constructor(private readonly options: PassOptions) {}

  get done(): boolean {
    return this.#next >= this.options.members.length;
  }

  serve(count: number, corks?: Corks): void {
    const { members } = this.options;
    const end = Math.min(members.length, this.#next + count);
    while (this.#next < end) {
      const member = members[this.#next];
      this.#next += 1;
      if (member === undefined || this.#waiting?.delete(member) === false) continue;
      corks?.put(member);
      guarded(member, this.#send);
    }
  }

  serveEarly(member: Connection): void {
    this.#waiting ??= new Set(this.options.members.slice(this.#next));
    if (this.#waiting.delete(member)) guarded(member, this.#send);
  }

  readonly #send = (member: Connection): void => {
    const { slow, channel, frames, position } = this.options;
    if (slow === 'drop' && member.backedUp) return;
    const bytes = this.#bytesFor(member.framing);
    if (slow === 'conflate') member.sendFramed(bytes, { conflateKey: channel });
    else member.sendFramed(bytes, { frames: frames.length });
    if (position !== undefined) member.mark(channel, position);
  };

  #bytesFor(framing: Framing): Buffer {
    const known = this.#framed.get(framing);
    if (known !== undefined) return known;
    const bytes = this.#frame(framing);
    this.#framed.set(framing, bytes);
    return bytes;
  }

  #frame(framing: Framing): Buffer {
    const { frames, slow } = this.options;
    const sent = slow === 'conflate' ? frames.slice(-1) : frames;
    const framed = sent.map((payload) => framing.frame(payload));
    const [only] = framed;
    return framed.length === 1 && only !== undefined ? only : Buffer.concat(framed);
  }
}

// One failing socket stops nobody.
function guarded(connection: Connection, write: (connection: Connection) => void): void {
  try {
    write(connection);
  } catch (error) {
    logger.error('a connection could not be written to', error instanceof Error ? error.stack : undefined);
    connection.destroy();
  }
}

function uncork(connection: Connection): void {
  connection.uncork();
}
