import { Deadlines } from '../deadlines.js';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { ChannelWish, type Patience } from './channel-wish.js';
import { unavailable } from './redis-fault.js';

/** The two commands, each settled when Redis acknowledged it or did not. */
export interface SubscribeCommands {
  subscribe(channels: readonly string[]): Promise<unknown>;
  unsubscribe(channels: readonly string[]): Promise<unknown>;
  /** What may travel in one command. */
  batches(channels: readonly string[]): readonly (readonly string[])[];
}

/** `superseded`: the connection was lost meanwhile, and its successor restores again. */
export type Restoration = 'restored' | 'failed' | 'superseded';

export interface SubscriptionTimes {
  /** How long a subscriber waits at most for the acknowledgement. Milliseconds. */
  readonly deadlineMs: number;
  /** At most so long a channel that nobody wants is still subscribed: who was cut off comes back to it. Milliseconds. */
  readonly lingerMs: number;
}

const CHANNELS_PER_TURN = 4_000;
const MOST_LINGERING = 20_000;
/** So long after the commands of several channels the next ones gather: who comes alone waits for nobody, a crowd shares its commands. */
const GATHER_MS = 2;

/**
 * Brings what one connection hears to what is wanted. The wishes of a moment travel in few commands; one turn's commands are
 * settled before the next is looked at, so that the last wish always wins. Who leaves is in no hurry: a crowd that is cut off
 * and comes back costs no commands.
 */
export class ChannelSubscriptions {
  readonly #wishes = new Map<string, ChannelWish>();
  readonly #changed = new Set<string>();
  /** Unwanted, and still subscribed until the timer ends. */
  readonly #lingering = new Set<string>();
  readonly #commands: SubscribeCommands;
  readonly #times: SubscriptionTimes;
  readonly #patience: Patience;
  /** Counts connections and losses: what was asked of an older one is of no interest. */
  #generation = 0;
  #connected = false;
  #working: Promise<void> | undefined;
  /** When the last commands of several channels were settled. */
  #crowdedAt = -Infinity;
  #lingerTimer: NodeJS.Timeout | undefined;

  constructor(commands: SubscribeCommands, times: SubscriptionTimes) {
    this.#commands = commands;
    this.#times = times;
    this.#patience = {
      deadlines: new Deadlines(times.deadlineMs),
      givenUp: (channel) => void this.#reconcile([channel]),
    };
  }

  isWanted(channel: string): boolean {
    return this.#wishes.get(channel)?.wanted === true;
  }

  /** Wants a channel on every connection to come. */
  keep(channel: string): void {
    this.#wishes.set(channel, new ChannelWish(channel, this.#patience, true));
  }

  /** Resolves with Redis' acknowledgement. Rejected, it leaves nothing behind. */
  subscribe(channel: string): Promise<void> {
    if (!this.#connected) return Promise.reject(new BackplaneUnavailable('Redis: not connected'));
    const wish = this.#wishes.get(channel) ?? this.#newWish(channel);
    wish.wanted = true;
    if (wish.joined === 'yes') {
      // No command is under way: an unsubscribe() that lingers, or is of this very turn, is not needed any more.
      this.#lingering.delete(channel);
      wish.confirm();
      return Promise.resolve();
    }
    void this.#reconcile([channel]);
    return wish.acknowledged();
  }

  /** The channel is unheard from now on; Redis is told a while later. */
  unsubscribe(channel: string): void {
    const wish = this.#wishes.get(channel);
    if (wish === undefined) return;
    wish.abandon();
    if (!this.#connected) this.#wishes.delete(channel);
    else if (wish.joined === 'yes') this.#linger(channel);
    else void this.#reconcile([channel]);
  }

  /** Asks a new connection for everything that is wanted. */
  async restore(): Promise<Restoration> {
    this.#generation += 1;
    this.#connected = true;
    return this.#joinAll(this.#wishes.keys());
  }

  /** Asks the present connection for what is wanted and not heard. */
  mend(): Promise<Restoration> {
    if (!this.#connected) return Promise.resolve('superseded');
    return this.#joinAll(this.#missing());
  }

  /** Some may not be heard any more, nobody knows which: `mend()` asks for all of them. */
  doubt(): void {
    for (const wish of this.#wishes.values()) if (wish.joined === 'yes') wish.joined = 'unsure';
  }

  /** What is wanted on every connection to come. */
  *confirmed(): Iterable<string> {
    for (const [channel, { confirmed }] of this.#wishes) if (confirmed) yield channel;
  }

  /** The connection is gone: whoever waits is refused, what was confirmed comes back with `restore()`. */
  lost(): void {
    this.#generation += 1;
    this.#connected = false;
    this.#changed.clear();
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = undefined;
    this.#lingering.clear();
    const away = new BackplaneUnavailable('Redis: not connected');
    for (const [channel, wish] of this.#wishes) {
      wish.joined = 'no';
      wish.refuse(away);
      if (!wish.wanted) this.#wishes.delete(channel);
    }
  }

  #linger(channel: string): void {
    this.#lingering.add(channel);
    if (this.#lingering.size > MOST_LINGERING) this.#leaveLingering();
    else this.#lingerTimer ??= setTimeout(() => this.#leaveLingering(), this.#times.lingerMs).unref();
  }

  #leaveLingering(): void {
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = undefined;
    const channels = [...this.#lingering];
    this.#lingering.clear();
    void this.#reconcile(channels);
  }

  async #joinAll(channels: Iterable<string>): Promise<Restoration> {
    const generation = this.#generation;
    await this.#reconcile(channels);
    if (generation !== this.#generation) return 'superseded';
    return this.#missing().length === 0 ? 'restored' : 'failed';
  }

  #missing(): readonly string[] {
    return [...this.confirmed()].filter((channel) => this.#wishes.get(channel)?.joined !== 'yes');
  }

  #reconcile(channels: Iterable<string>): Promise<void> {
    for (const channel of channels) this.#changed.add(channel);
    this.#working ??= this.#work();
    return this.#working;
  }

  #newWish(channel: string): ChannelWish {
    const wish = new ChannelWish(channel, this.#patience);
    this.#wishes.set(channel, wish);
    return wish;
  }

  async #work(): Promise<void> {
    do {
      await gathered(this.#crowdedAt + GATHER_MS - performance.now());
      if (this.#connected) await this.#settleTurn();
    } while (this.#connected && this.#changed.size > 0);
    this.#working = undefined;
  }

  async #settleTurn(): Promise<void> {
    const { joining, leaving } = this.#takeTurn();
    await Promise.all([
      ...this.#commands.batches(leaving).map((channels) => this.#leave(channels)),
      ...this.#commands.batches(joining).map((channels) => this.#join(channels)),
    ]);
    if (joining.length + leaving.length > 1) this.#crowdedAt = performance.now();
  }

  #takeTurn(): { joining: string[]; leaving: string[] } {
    const joining: string[] = [];
    const leaving: string[] = [];
    for (const channel of this.#changed) {
      if (joining.length + leaving.length === CHANNELS_PER_TURN) break;
      this.#changed.delete(channel);
      const wish = this.#wishes.get(channel);
      if (wish === undefined || (wish.wanted && wish.joined === 'yes')) continue;
      if (!wish.wanted && wish.joined === 'no') {
        this.#wishes.delete(channel);
        continue;
      }
      (wish.wanted ? joining : leaving).push(channel);
      wish.joined = 'unsure';
    }
    return { joining, leaving };
  }

  async #join(channels: readonly string[]): Promise<void> {
    const generation = this.#generation;
    const failure = await failureOf(this.#commands.subscribe(channels));
    if (generation !== this.#generation) return;
    if (failure === undefined) for (const wish of this.#wishesOf(channels)) wish.confirm();
    else this.#refuse(channels, unavailable(failure));
  }

  async #leave(channels: readonly string[]): Promise<void> {
    const generation = this.#generation;
    await failureOf(this.#commands.unsubscribe(channels));
    if (generation !== this.#generation) return;
    for (const wish of this.#wishesOf(channels)) wish.joined = 'no';
    this.#dropUnwanted(channels);
  }

  #refuse(channels: readonly string[], error: BackplaneUnavailable): void {
    for (const wish of this.#wishesOf(channels)) wish.refuse(error);
    this.#dropUnwanted(channels);
  }

  // A SUBSCRIBE that failed may yet have been carried out: `unsure` ones are unsubscribed in the next turn.
  #dropUnwanted(channels: readonly string[]): void {
    for (const channel of channels)
      if (this.#wishes.get(channel)?.wanted === false) this.#changed.add(channel);
  }

  #wishesOf(channels: readonly string[]): readonly ChannelWish[] {
    return channels.flatMap((channel) => this.#wishes.get(channel) ?? []);
  }
}

async function failureOf(command: Promise<unknown>): Promise<unknown> {
  try {
    await command;
    return undefined;
  } catch (error) {
    return error ?? new Error('unknown');
  }
}

/** At the end of this turn of the event loop at the earliest. */
function gathered(waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (waitMs > 0) setTimeout(resolve, waitMs);
    else setImmediate(resolve);
  });
}
