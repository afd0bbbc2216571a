import { LIMITS } from '@aerie/protocol';
import { countThatFit } from './page-bytes.js';
import type { AnnouncedChange } from './presence-change.js';
import type { PresenceRange, PresenceStore } from './presence-store.js';
import { SortedUsers } from './sorted-users.js';

/** Changes that may wait for a reading; past it the reading begins anew. */
const MOST_WAITING = 10_000;
/** A channel that changes faster than it can be read is given up for now. */
const READINGS = 5;
/** More than can be missed in the course of things: versions begin at the microsecond, so one that begins anew is further away. */
const MOST_MISSED = 100_000;

/** Users in a channel, as this node knows them. */
export interface KnownMembers {
  readonly version: number;
  readonly users: readonly string[];
  readonly more: boolean;
}

export interface PresenceReplicaOptions {
  readonly store: Pick<PresenceStore, 'page'>;
  /** How long it may take until a store that lost its data has everybody again. Milliseconds. */
  readonly rewriteMs: number;
}

/**
 * Who is in one channel: read once, and from then on kept by the changes, each of which has the next version. The pages of a
 * reading may be of different versions: the changes since the first one are applied on top, whoever they have already.
 *
 * Where the versions began anew, the store may have forgotten members who never left: they stay until their nodes have had the
 * time to write them anew.
 */
export class PresenceReplica {
  readonly channel: string;
  readonly #options: PresenceReplicaOptions;
  #users = new SortedUsers();
  /** 0: nobody is in it, and the next change may have any version. */
  #version = 0;
  /** Users who are members as far as anybody knows, and not in the store any more. */
  readonly #forgotten = new Set<string>();
  #forgottenUntil = 0;
  #isDoubtful = false;
  #waiting: AnnouncedChange[] | undefined;
  #reading: Promise<boolean> | undefined;

  constructor(channel: string, options: PresenceReplicaOptions) {
    this.channel = channel;
    this.#options = options;
  }

  /** Whether nobody knows yet what the store has since `doubt()`. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** The store lost its latest changes: a version that is known may be that of others by now. */
  doubt(): void {
    this.#isDoubtful = true;
  }

  /** Whether members whom the store forgot were not written anew in time. */
  get hasOverdue(): boolean {
    return this.#forgotten.size > 0 && performance.now() >= this.#forgottenUntil;
  }

  /** They left, then. */
  dropOverdue(): void {
    this.#users = new SortedUsers(this.#all().filter((user) => !this.#forgotten.has(user)));
    this.#forgotten.clear();
  }

  /**
   * Reads the members anew. Resolves to whether that brought anything that no change had told. Rejects with
   * `BackplaneUnavailable`; what was known stands then.
   */
  read(): Promise<boolean> {
    this.#reading ??= this.#readUntilWhole().finally(() => {
      this.#reading = undefined;
      this.#waiting = undefined;
    });
    return this.#reading;
  }

  /** Whether the store has the version that is known here. */
  async isCurrent(): Promise<boolean> {
    if (this.#isDoubtful) return false;
    const { version } = await this.#options.store.page(this.channel, { limit: 1 });
    return version === this.#version;
  }

  /** `next`: it is part of what is known now. `old`: it was. `gap`: changes before it are missing, read anew. */
  apply(change: AnnouncedChange): 'next' | 'old' | 'waits' | 'gap' {
    if (this.#waiting !== undefined) {
      if (this.#waiting.length < MOST_WAITING) this.#waiting.push(change);
      return 'waits';
    }
    const { version } = change;
    if (this.#version !== 0 && version <= this.#version) return 'old';
    if (this.#version !== 0 && version !== this.#version + 1) return 'gap';
    this.#take(change);
    return 'next';
  }

  /**
   * At most `limit`, and what a reply has room for.
   * @param own A user who is one whether the store knows it already or not.
   */
  page({ after, limit }: PresenceRange, own?: string): KnownMembers {
    const known = this.#users.behind(after, limit + 1);
    const isUnknown = own !== undefined && !this.#users.has(own) && (after === undefined || own > after);
    const users = isUnknown ? [...known, own].toSorted() : known;
    const count = countThatFit(users.slice(0, limit));
    return { version: this.#version, users: users.slice(0, count), more: users.length > count };
  }

  async #readUntilWhole(): Promise<boolean> {
    const known = this.#version;
    let beganAnew = false;
    for (let reading = 0; reading < READINGS; reading += 1) {
      this.#waiting = [];
      const isDoubtful = this.#isDoubtful;
      const { version, users } = await this.#readAll();
      const waiting = this.#waiting;
      this.#waiting = undefined;
      const isAnother = isDoubtful || !goesOn(this.#version, version);
      if (isDoubtful) this.#isDoubtful = false;
      if (isAnother) this.#forget();
      beganAnew ||= isAnother;
      this.#begin(version, users);
      const isWhole =
        waiting.length < MOST_WAITING && waiting.every((change) => this.apply(change) !== 'gap');
      if (isWhole) return beganAnew || this.#version !== known;
    }
    return true;
  }

  async #readAll(): Promise<{ version: number; users: Set<string> }> {
    const users = new Set<string>();
    let version: number | undefined;
    let after: string | undefined;
    for (;;) {
      const page = await this.#options.store.page(this.channel, { after, limit: LIMITS.presencePage });
      version ??= page.version;
      for (const { user } of page.members) users.add(user);
      after = page.members.at(-1)?.user;
      if (!page.more || after === undefined) return { version, users };
    }
  }

  #forget(): void {
    for (const user of this.#all()) this.#forgotten.add(user);
    this.#forgottenUntil = performance.now() + this.#options.rewriteMs;
  }

  #begin(version: number, users: ReadonlySet<string>): void {
    for (const user of users) this.#forgotten.delete(user);
    this.#version = version;
    this.#users = new SortedUsers([...users, ...this.#forgotten]);
  }

  #take({ joins, user, version }: AnnouncedChange): void {
    if (joins) this.#users.add(user);
    else this.#users.delete(user);
    this.#forgotten.delete(user);
    this.#version = this.#users.size === this.#forgotten.size ? 0 : version;
  }

  #all(): readonly string[] {
    return this.#users.behind(undefined, this.#users.size);
  }
}

function goesOn(from: number, to: number): boolean {
  if (from === 0) return true;
  return to >= from && to - from <= MOST_MISSED;
}
