import type { Member, PresenceSet } from '@aerie/protocol';
import { fieldsOf } from '../server-frame.js';

/** A user came, or went. */
export interface PresenceChange extends Member {
  /** When, by the server's clock, in epoch milliseconds. Absent where only comparing two sets showed it. */
  readonly at?: number;
}

export type ChangeKind = 'join' | 'leave';

/** Hears what changed at once; never nothing. */
type Tell = (changes: readonly (readonly [ChangeKind, PresenceChange])[]) => void;

/** A set whose pages are still coming, and what changed since its first one. */
interface Reading {
  readonly members: Map<string, Member>;
  readonly changes: Map<string, ChangeKind>;
}

/**
 * Who is in one channel: a set, and from then on each change, which has the next version. The pages of a set may be of
 * different versions: what changed since the first one is applied on top, whoever they have already.
 */
export interface MemberSet {
  readonly all: readonly Member[];
  /** Begins with a set. Returns whom to ask behind for its next page; until the last one is here nothing is told of it. */
  take(set: PresenceSet): string | undefined;
  /** The next page of the set that was begun with; returns the same. */
  add(page: PresenceSet): string | undefined;
  /** False where changes before this one are missing. */
  apply(kind: ChangeKind, data: unknown): boolean;
  /** Changes mean nothing until the next set. Who was there stands. */
  cut(): void;
  /** It is not known any more who is there. */
  clear(): void;
}

/** Of nobody. `tell` runs last, so that who hears of it may do anything. */
export function createMemberSet(tell: Tell): MemberSet {
  let members = new Map<string, Member>();
  /** Undefined: changes mean nothing until there is a set. 0: nobody was there, the next change may have any. */
  let version: number | undefined;
  let reading: Reading | undefined;

  const cut = (): void => {
    version = undefined;
    reading = undefined;
  };

  const replace = (next: Map<string, Member>): void => {
    const before = members;
    members = next;
    const gone = [...before.values()].filter(({ user }) => !next.has(user));
    const come = [...next.values()].filter(({ user }) => !before.has(user));
    const changes = [
      ...gone.map((member) => ['leave', member] as const),
      ...come.map((member) => ['join', member] as const),
    ];
    if (changes.length > 0) tell(changes);
  };

  const add = (page: PresenceSet): string | undefined => {
    if (!reading) return undefined;
    const { members: read, changes } = reading;
    for (const member of page.members) read.set(member.user, member);
    const last = page.members.at(-1);
    if (page.more && last) return last.user;
    for (const [user, kind] of changes)
      if (kind === 'leave') read.delete(user);
      else read.set(user, { user });
    reading = undefined;
    replace(read);
    return undefined;
  };

  const change = (kind: ChangeKind, { user, at }: PresenceChange): void => {
    if (members.has(user) === (kind === 'join')) return;
    if (kind === 'join') members.set(user, { user });
    else members.delete(user);
    tell([[kind, { user, ...(at !== undefined && { at }) }]]);
  };

  return {
    get all() {
      return [...members.values()];
    },
    take: (set) => {
      version = set.version;
      reading = { members: new Map(), changes: new Map() };
      return add(set);
    },
    add,
    apply: (kind, data) => {
      const { user, version: next = 0, at } = fieldsOf(data);
      if (!user || version === undefined || next <= version) return true;
      if (version > 0 && next > version + 1) return false;
      version = next;
      if (reading) reading.changes.set(user, kind);
      else change(kind, { user, ...(at !== undefined && { at }) });
      return true;
    },
    cut,
    clear: () => {
      cut();
      replace(new Map());
    },
  };
}

/** A set, if that is one. */
export function readSet(data: unknown): PresenceSet | undefined {
  const set = fieldsOf(data);
  return set.version === undefined || !set.members ? undefined : (set as PresenceSet);
}
