import type { ErrorBody, Message } from '@aerie/protocol';
import { isObservable, type Observable, type Subscription } from 'rxjs';
import type { Connection } from '../connections/connection.js';
import { errorBody, expectedError } from '../expected-error.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import { Refusal } from '../refusal.js';
import type { Deadlines, Due } from '../deadlines.js';
import { errorFrame } from './error-frame.js';
import { type MessageContext, runWithMessage } from './message-context.js';
import {
  ANSWERED,
  type ApplicationHandlers,
  type ReportFault,
  type SystemHandlers,
  UnderWay,
  unknownEvent,
} from './message-handlers.js';
import { isWsResponse, plainReply, sendStream } from './reply-stream.js';

const OPEN_STREAMS = 32;
const UNDER_WAY = 64;

/** What all connections' messages share. */
export interface MessageAnswersOptions {
  readonly system: SystemHandlers;
  /** After their time a message is answered with `timeout`. */
  readonly deadlines: Deadlines;
  readonly metrics: RealtimeMetrics;
  readonly reportFault: ReportFault;
}

/** Whose messages they are. */
export interface Answered {
  readonly connection: Connection;
  readonly application: ApplicationHandlers;
  /** The place of this message is free. */
  readonly released: (message: Message) => void;
}

/** Runs the handlers of one connection's messages and sends what comes of them: replies, streams of replies, errors. */
export class MessageAnswers {
  readonly #connection: Connection;
  readonly #released: Answered['released'];
  readonly #application: ApplicationHandlers;
  readonly #options: MessageAnswersOptions;
  /** Few connections have any. */
  #streams: Set<Subscription> | undefined;
  #underWay = 0;

  constructor(options: MessageAnswersOptions, { connection, application, released }: Answered) {
    this.#connection = connection;
    this.#application = application;
    this.#released = released;
    this.#options = options;
  }

  /** Whether as much as may be is under way: nothing should be begun before `released` is called again. */
  get crowded(): boolean {
    return this.#underWay >= UNDER_WAY;
  }

  /** `released` is called when the next message may begin; once more where this one went on after that. */
  run(message: Message): void {
    const task = new Task(message, this);
    try {
      const result = runWithMessage(task, () => this.#dispatch(message));
      if (isPromise(result)) this.#await(task, result);
      else this.#settle(task, result);
    } catch (error) {
      this.#failed(task, error);
    }
  }

  /** The connection is gone: open streams of replies are released. */
  end(): void {
    for (const stream of this.#streams ?? []) stream.unsubscribe();
  }

  /** For its own tasks: the deadline has passed. */
  tooLate(task: Task): void {
    task.over = true;
    this.#fail(task.message, new Refusal('timeout', 'the handler took too long'));
    this.#finish(task);
  }

  #dispatch(message: Message): unknown {
    if (!message.event.startsWith('$')) return this.#application.handle(message);
    const handler = this.#options.system.get(message.event);
    return handler === undefined ? unknownEvent() : handler(this.#connection, message);
  }

  #await(task: Task, work: PromiseLike<unknown>): void {
    this.#options.deadlines.begin(task);
    work.then(
      (result) => this.#settle(task, result),
      (error: unknown) => this.#failed(task, error),
    );
  }

  #settle(task: Task, result: unknown): void {
    if (task.over) return;
    if (result instanceof UnderWay) return this.#letGo(task, result);
    try {
      this.#answer(task, result);
    } catch (error) {
      this.#fail(task.message, error);
    }
    this.#finish(task);
  }

  #letGo(task: Task, { outcome }: UnderWay): void {
    this.#underWay += 1;
    task.isUnderWay = true;
    this.#await(task, outcome);
    this.#released(task.message);
  }

  #answer(task: Task, result: unknown): void {
    if (task.failed) this.#fail(task.message, task.failure);
    else if (isObservable(result)) runWithMessage(task, () => this.#stream(task, result));
    else if (isAwaited(task.message, result)) this.#reply(task.message, result);
  }

  #failed(task: Task, error: unknown): void {
    if (task.over) {
      this.#options.reportFault({ event: 'late failure', error, body: errorBody(error) });
      return;
    }
    this.#fail(task.message, error);
    this.#finish(task);
  }

  #finish(task: Task): void {
    this.#options.deadlines.end(task);
    this.#options.metrics.messageHandled(performance.now() - task.startedAt);
    if (task.isUnderWay) this.#underWay -= 1;
    this.#released(task.message);
  }

  #stream(task: Task, values: Observable<unknown>): void {
    if (!this.#connection.isOpen) return;
    if ((this.#streams?.size ?? 0) >= OPEN_STREAMS)
      return this.#fail(task.message, new Refusal('limit_exceeded', 'too many open streams'));
    let open: Subscription | undefined;
    const subscription = sendStream(values, {
      id: task.message.id,
      send: (frame) => this.#send(frame),
      fail: (error) => task.failWith(error),
      hasFailed: () => task.failed,
      ended: () => {
        if (open !== undefined) this.#streams?.delete(open);
        if (task.failed) this.#fail(task.message, task.failure);
      },
    });
    if (subscription.closed) return;
    open = subscription;
    this.#streams ??= new Set();
    this.#streams.add(open);
  }

  #reply(message: Message, result: unknown): void {
    if (result instanceof Refusal) this.#fail(message, result);
    else if (message.id !== undefined) this.#send(plainReply(message.id, result));
    else if (result !== undefined && result !== null) this.#send(result);
  }

  #send(frame: unknown): void {
    if (this.#connection.isOpen) this.#connection.sendPayload(JSON.stringify(frame));
  }

  #fail(message: Message, error: unknown): void {
    const { metrics, reportFault } = this.#options;
    const body: ErrorBody = errorBody(error);
    if (expectedError(error) === undefined) reportFault({ event: message.event, error, body });
    metrics.messageError(body.code);
    if (this.#connection.isOpen) this.#connection.sendPayload(errorFrame(message.id, body));
  }
}

/** One message on its way through its handler. */
class Task implements MessageContext, Due {
  readonly startedAt = performance.now();
  failed = false;
  failure: unknown;
  isUnderWay = false;
  over = false;

  constructor(
    readonly message: Message,
    private readonly answers: MessageAnswers,
  ) {}

  failWith(error: unknown): void {
    this.failed = true;
    this.failure = error;
  }

  tooLate(): void {
    this.answers.tooLate(this);
  }
}

// Without an id nobody waits for the system's answer, unless it is an event of its own (`$pong`).
function isAwaited(message: Message, result: unknown): boolean {
  if (result === ANSWERED) return false;
  if (message.id !== undefined || !message.event.startsWith('$')) return true;
  return result instanceof Refusal || isWsResponse(result);
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
