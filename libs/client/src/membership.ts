import type { Position, SubscribeReply, SystemEvent } from '@aerie/protocol';
import { backoffMs } from './backoff.js';
import type { Report } from './emitter.js';
import { failure, hasCode, isTransient, RealtimeError } from './errors.js';
import type { Exchange, Line, ReplySink } from './exchange.js';
import { fieldsOf } from './server-frame.js';

interface MembershipPorts {
  readonly line: Line;
  readonly exchange: Exchange;
  readonly report: Report;
}

interface MembershipEvents {
  readonly isWanted: () => boolean;
  /** Where to go on; undefined to begin with what comes next. */
  readonly position: () => Position | undefined;
  /** It is held now; once more where it is held and watched. */
  readonly joined: (reply: SubscribeReply) => void;
  /** A refusal; nothing is tried again. */
  readonly refused: (error: RealtimeError) => void;
  /** Who is there can't be watched; what else the channel has goes on. */
  readonly unwatched: () => void;
  /** Not wanted, and the server knows, or never did. */
  readonly left: () => void;
}

/** What the server holds of one channel for this client. */
export interface Membership {
  /** Brings it to what is wanted. */
  reconcile(): void;
  /**
   * Wants to be told who is there, too.
   * @param anew What was told has a gap: asks again, not at once, as others may have the same gap.
   */
  watch(anew: boolean): void;
  unwatch(): void;
  /** It holds nothing any more. */
  lost(): void;
  /** Leaves no timer behind. */
  stop(): void;
}

/**
 * One request at a time: the server answers `$unsubscribe` ahead of a `$subscribe` that waits in line. Failures that may
 * pass are tried again with back-off.
 */
export function createMembership(
  channel: string,
  { line, exchange, report }: MembershipPorts,
  events: MembershipEvents,
): Membership {
  /** `given`: the server subscribed it by itself, and it is not the client's to leave. */
  let held: 'joined' | 'given' | undefined;
  /** Whether to be told who is there: wanted here, and asked of the server that holds it. */
  let watchWanted = false;
  let watchHeld = false;
  let asking = false;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const reconcile = (): void => {
    clearTimeout(retry);
    if (asking) return;
    if (events.isWanted()) {
      if (!held || (watchWanted && !watchHeld)) join(watchWanted);
    } else if (held === 'joined') {
      const done = (): void => {
        asking = false;
        held = undefined;
        reconcile();
      };
      ask('$unsubscribe', {}, { reply: done, fail: done });
    } else {
      held = undefined;
      events.left();
    }
  };

  const join = (presence: boolean): void => {
    const welcome = line.welcome();
    if (!welcome) return line.demand();
    const given = Object.hasOwn(welcome.channels, channel) ? welcome.channels[channel] : undefined;
    // What is held goes on by itself.
    const position = held ? undefined : events.position();
    const reply = (data: unknown): void => {
      asking = false;
      held = given ? 'given' : 'joined';
      watchHeld = presence;
      failures = 0;
      // It may be wanted otherwise by now.
      reconcile();
      if (events.isWanted()) events.joined({ ...fieldsOf(data), channel });
    };
    // Where nothing was missed since, there is no need to ask.
    const { epoch, offset } = position ?? given ?? {};
    if (given && !presence && given.epoch === epoch && given.offset === offset)
      return reply({ ...given, ...(position && { recovered: true }) });
    const fields = { ...(position && { position }), ...(presence && { presence }) };
    ask('$subscribe', fields, { reply, fail: (error) => joinFailed(error, presence) });
  };

  const joinFailed = (error: unknown, presence: boolean): void => {
    const transient = isTransient(error);
    asking = false;
    if (!events.isWanted()) {
      // After a time-out the server may hold it all the same.
      if (transient) held = 'joined';
      reconcile();
    } else if (transient) tryLater();
    // So says the server where a channel has no presence: it goes on without.
    else if (presence && (held || hasCode(error, 'invalid'))) {
      watchWanted = false;
      events.unwatched();
      report(error);
      reconcile();
    } else events.refused(error instanceof RealtimeError ? error : failure('internal', String(error)));
  };

  const tryLater = (): void => {
    clearTimeout(retry);
    retry = setTimeout(reconcile, backoffMs(failures++));
  };

  const ask = (event: SystemEvent, fields: object, sink: ReplySink): void => {
    asking = true;
    exchange.ask({ event, data: { channel, ...fields }, own: true }, sink);
  };

  return {
    reconcile,
    watch: (anew) => {
      watchWanted = true;
      watchHeld &&= !anew;
      if (anew) tryLater();
      else reconcile();
    },
    unwatch: () => {
      watchWanted = false;
    },
    lost: () => {
      held = undefined;
      watchHeld = false;
    },
    stop: () => clearTimeout(retry),
  };
}
