import {
  Refusal,
  type ChannelRequest,
  type PublishRequest,
  type PublishVerdict,
  type Session,
  type SessionEvent,
} from '@aerie/realtime';
import { HookFailure, refusalIn, type HookAnswer } from './hook-answer.js';
import { hookEvent, type HookDetails, type HookEvent, toldEvent, type ToldHook } from './hook-event.js';
import { HookLog } from './hook-log.js';
import { HookSender, type HookSenderOptions } from './hook-sender.js';

export interface HooksOptions extends HookSenderOptions {
  /** Calls under way at once; past it callers are refused with `overloaded`. Default 128. */
  readonly maxInFlight?: number;
  /** What is told besides `disconnect`. Default nothing. */
  readonly told?: readonly ToldHook[];
}

/** The attempt that a call is about: it has no connection yet. */
export interface HookConnection {
  readonly address?: string;
  readonly transport?: string;
}

export interface HookMessage {
  readonly connection: string;
  readonly event: string;
  readonly data?: unknown;
}

/**
 * A backend in any language, asked over signed HTTP. Questions are never repeated and a hook that fails refuses with
 * `unavailable`; only `allow: true` lets somebody in.
 */
export class HooksClient {
  readonly #sender: HookSender;
  readonly #maxInFlight: number;
  readonly #log = new HookLog();
  readonly #told: ReadonlySet<string>;
  #inFlight = 0;

  constructor({ maxInFlight = 128, told = [], ...options }: HooksOptions) {
    this.#maxInFlight = maxInFlight;
    this.#sender = new HookSender(options);
    this.#told = new Set(['disconnected', ...told]);
  }

  /** Asked once a session is authenticated and before it is admitted. */
  async connect(session: Session, info: HookConnection): Promise<Refusal | undefined> {
    const allowed = await this.#permission(hookEvent('connect', session, { ...info }));
    return allowed instanceof Refusal ? allowed : undefined;
  }

  /** The verdict of a channel rule with `subscribe: "hook"`. */
  async subscribe(request: ChannelRequest): Promise<true | Refusal> {
    const allowed = await this.#permission(hookEvent('subscribe', request.session, channelDetails(request)));
    return allowed instanceof Refusal ? allowed : true;
  }

  /** The verdict of a channel rule with `publish: "hook"`; `data` in the answer replaces what is published. */
  async publish(request: PublishRequest): Promise<PublishVerdict> {
    const details = { ...channelDetails(request), event: request.event, data: request.data };
    const allowed = await this.#permission(hookEvent('publish', request.session, details));
    if (allowed instanceof Refusal) return allowed;
    return allowed.data === undefined ? true : { data: allowed.data };
  }

  /** A client's message that no handler of the gateway takes: the backend's RPC. */
  async message(session: Session, message: HookMessage): Promise<{ readonly data: unknown } | Refusal> {
    const answer = await this.#ask(hookEvent('message', session, { ...message }));
    if (answer instanceof Refusal) return answer;
    return refusalIn(answer) ?? { data: answer.data };
  }

  /** Told, not asked. Rejects where the receiver did not take it: it is then told again. */
  async tell(event: SessionEvent): Promise<void> {
    if (!this.#told.has(event.type)) return;
    const answer = await this.#sender.post(toldEvent(event));
    if (answer instanceof HookFailure) throw new Error(`hook ${event.type}: ${answer.reason}`);
  }

  async #permission(event: HookEvent): Promise<HookAnswer | Refusal> {
    const answer = await this.#ask(event);
    if (answer instanceof Refusal) return answer;
    return refusalIn({ ...answer, allow: answer.allow === true }) ?? answer;
  }

  async #ask(event: HookEvent): Promise<HookAnswer | Refusal> {
    if (this.#inFlight >= this.#maxInFlight) {
      this.#log.failed(event.hook, 'too many calls in flight');
      return new Refusal('overloaded', 'try again later', {
        retryAfterSeconds: 1,
        reason: 'hooks overloaded',
      });
    }
    this.#inFlight += 1;
    const answer = await this.#sender.post(event).finally(() => (this.#inFlight -= 1));
    if (!(answer instanceof HookFailure)) return answer;
    this.#log.failed(event.hook, answer.reason);
    return new Refusal('unavailable', 'try again later', {
      retryAfterSeconds: 1,
      reason: `hook ${event.hook}: ${answer.reason}`,
    });
  }
}

function channelDetails({ connection, channel, params }: ChannelRequest): HookDetails {
  return { ...(connection && { connection: connection.id }), channel, params };
}
