import type { Member, PresenceSet } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import type { MemberKeeper, MemberKeeperPorts, PresenceChange, PresenceEvents } from './member-keeper.js';
import { Emitter, type Unlisten } from './emitter.js';
import { isTransient } from './errors.js';
import { fieldsOf } from './server-frame.js';

type Members = Map<string, Member>;

/** A set whose pages are still coming, and what changed since its first one. */
interface Reading {
  readonly members: Members;
  readonly changes: Map<string, 'join' | 'leave'>;
}

/**
 * Who is in one channel: a set, and from then on each change, which has the next version. The pages of a set may be of
 * different versions: what changed since the first one is applied on top, whoever they have already.
 */
export class PresenceReplica implements MemberKeeper {
  readonly #events: Emitter<[value: unknown]>;
  readonly #ports: MemberKeeperPorts;
  #members: Members = new Map();
  /** Undefined: changes mean nothing until there is a set. 0: nobody was there, the next change may have any. */
  #version: number | undefined;
  #reading: Reading | undefined;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(ports: MemberKeeperPorts) {
    this.#ports = ports;
    this.#events = new Emitter(ports.report);
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  on<Name extends keyof PresenceEvents>(
    event: Name,
    listener: (value: PresenceEvents[Name]) => unknown,
  ): Unlisten {
    const unlisten = this.#events.on(event, listener as (value: unknown) => unknown);
    this.#ports.watch(false);
    return unlisten;
  }

  obey(event: string, data: unknown): void {
    if (event === '$presence') this.#take(data);
    else if (event === '$join') this.#apply('join', data);
    else if (event === '$leave') this.#apply('leave', data);
  }

  #take(data: unknown): void {
    const set = readSet(data);
    if (!set) return;
    this.cut();
    this.#version = set.version;
    this.#add(set, (this.#reading = { members: new Map(), changes: new Map() }));
  }

  #apply(kind: 'join' | 'leave', data: unknown): void {
    const { user, version = 0, at } = fieldsOf(data);
    if (!user || this.#version === undefined || version <= this.#version) return;
    if (this.#version > 0 && version > this.#version + 1) {
      this.cut();
      return this.#ports.watch(true);
    }
    this.#version = version;
    if (this.#reading) this.#reading.changes.set(user, kind);
    else this.#change(kind, { user, ...(at !== undefined && { at }) });
  }

  cut(): void {
    clearTimeout(this.#retry);
    this.#version = undefined;
    this.#reading = undefined;
  }

  clear(): void {
    this.cut();
    this.#replace(new Map());
  }

  forget(): void {
    this.#events.clear();
    this.clear();
  }

  #add(set: PresenceSet, reading: Reading): void {
    for (const member of set.members) reading.members.set(member.user, member);
    const last = set.members.at(-1);
    if (set.more && last) return this.#ask(last.user, reading);
    for (const [user, kind] of reading.changes)
      if (kind === 'leave') reading.members.delete(user);
      else reading.members.set(user, { user });
    this.#reading = undefined;
    this.#failures = 0;
    this.#replace(reading.members);
  }

  #ask(after: string, reading: Reading): void {
    const { channel, exchange, report } = this.#ports;
    const current = (then: (value: unknown) => void) => (value: unknown) => {
      if (this.#reading === reading) then(value);
    };
    const reply = current((data) => this.#add(readSet(data) ?? NO_MORE, reading));
    const fail = current((error) => {
      if (isTransient(error)) {
        this.#retry = setTimeout(() => this.#ask(after, reading), backoffMs(this.#failures++));
      } else {
        this.cut();
        report(error);
      }
    });
    exchange.ask({ event: '$presence', data: { channel, after }, own: true }, { reply, fail });
  }

  #change(kind: 'join' | 'leave', change: PresenceChange): void {
    const { user } = change;
    if (this.#members.has(user) === (kind === 'join')) return;
    if (kind === 'join') this.#members.set(user, { user });
    else this.#members.delete(user);
    this.#tell([[kind, change]]);
  }

  #replace(next: Members): void {
    const before = this.#members;
    this.#members = next;
    this.#tell([
      ...[...before.values()]
        .filter(({ user }) => !next.has(user))
        .map((member) => ['leave', member] as const),
      ...[...next.values()]
        .filter(({ user }) => !before.has(user))
        .map((member) => ['join', member] as const),
    ]);
  }

  #tell(changes: readonly (readonly ['join' | 'leave', PresenceChange])[]): void {
    for (const [kind, change] of changes) this.#events.emit(kind, change);
    if (changes.length > 0) this.#events.emit('change', this.members);
  }
}

const NO_MORE: PresenceSet = { version: 0, members: [] };

function readSet(data: unknown): PresenceSet | undefined {
  const set = fieldsOf(data);
  return set.version === undefined || !set.members ? undefined : (set as PresenceSet);
}
