import { AsyncResource } from 'node:async_hooks';
import type { ArgumentMetadata, CanActivate, NestInterceptor, PipeTransform, Type } from '@nestjs/common';
import { ExecutionContextHost, FORBIDDEN_MESSAGE } from '@nestjs/core/internal';
import { WsException } from '@nestjs/websockets';
import {
  catchError,
  EMPTY,
  from,
  isObservable,
  lastValueFrom,
  Observable,
  type ObservableInput,
  type Subscriber,
} from 'rxjs';

/** How one parameter of a method gets its value, and what that passes through. */
export interface MethodParameter {
  readonly index: number;
  readonly extract: (args: readonly unknown[]) => unknown;
  readonly metadata: ArgumentMetadata;
  readonly pipes: readonly PipeTransform[];
}

export interface GatewayMethodOptions {
  readonly instance: object;
  readonly metatype: Type;
  readonly method: (...args: unknown[]) => unknown;
  readonly guards: readonly CanActivate[];
  readonly interceptors: readonly NestInterceptor[];
  /** None: the method gets what the adapter has, unpiped. */
  readonly parameters: readonly MethodParameter[];
  /** As many undefined as the method has parameters. */
  readonly blanks: readonly undefined[];
  /** The event that it subscribed to, for `getPattern()`. */
  readonly pattern: string;
  readonly filters: { handle(exception: unknown, host: ExecutionContextHost): void };
}

/**
 * A `@SubscribeMessage` method behind its guards, pipes, interceptors and filters, in Nest's order and with Nest's meaning.
 * Nest puts a promise after each step and an Observable around every interceptor; here a step waits only for what is
 * asynchronous, so that a message whose steps are not costs none of either.
 */
export class GatewayMethod {
  readonly #options: GatewayMethodOptions;

  constructor(options: GatewayMethodOptions) {
    this.#options = options;
  }

  /** What the method returns, a promise of it, or an Observable. A failure has been told to the filters; then undefined. */
  run(client: object, data: unknown, event: string): unknown {
    const call = new Call(this.#options, [client, data, event, this.#options.pattern]);
    try {
      const result = call.begin();
      if (isThenable(result)) return result.then((value) => call.guarded(value), call.fail);
      return call.guarded(result);
    } catch (error) {
      return call.fail(error);
    }
  }
}

/** One message on its way through the method. */
class Call {
  readonly #method: GatewayMethodOptions;
  /** Shared with the execution context: an interceptor may replace the data in it. */
  readonly #args: unknown[];
  #context: ExecutionContextHost | undefined;

  constructor(method: GatewayMethodOptions, args: unknown[]) {
    this.#method = method;
    this.#args = args;
  }

  begin(): unknown {
    const allowed = this.#guardsFrom(0);
    return isThenable(allowed) ? allowed.then(() => this.intercept(0)) : this.intercept(0);
  }

  /** A stream's failure is the filters' business, too. */
  guarded(result: unknown): unknown {
    if (!isObservable(result)) return result;
    return result.pipe(
      catchError((error: unknown) => {
        this.fail(error);
        return EMPTY;
      }),
    );
  }

  readonly fail = (error: unknown): void => {
    this.#method.filters.handle(error, this.#host());
  };

  #guardsFrom(start: number): PromiseLike<void> | undefined {
    const { guards } = this.#method;
    for (let index = start; index < guards.length; index += 1) {
      const verdict: unknown = guards[index]?.canActivate(this.#host());
      if (isThenable(verdict) || isObservable(verdict))
        return lastOf(verdict).then((settled) => {
          demand(settled);
          return this.#guardsFrom(index + 1);
        });
      demand(verdict);
    }
    return undefined;
  }

  intercept(index: number): unknown {
    const interceptor = this.#method.interceptors[index];
    if (interceptor === undefined) return this.#invoke();
    const handler = { handle: () => new Rest(this, index + 1) };
    const result: unknown = interceptor.intercept(this.#host(), handler);
    return isThenable(result) ? result.then(passed) : passed(result);
  }

  #invoke(): unknown {
    const { instance, method, parameters, blanks } = this.#method;
    if (parameters.length === 0) return Reflect.apply(method, instance, this.#args);
    const args = [...blanks];
    const waiting = this.#pipeInto(args);
    return waiting === undefined
      ? Reflect.apply(method, instance, args)
      : waiting.then((): unknown => Reflect.apply(method, instance, args));
  }

  #pipeInto(args: unknown[]): Promise<unknown> | undefined {
    let waiting: PromiseLike<unknown>[] | undefined;
    for (const { index, extract, metadata, pipes } of this.#method.parameters) {
      const value = throughPipes(extract(this.#args), { ...metadata }, pipes);
      if (isThenable(value)) (waiting ??= []).push(value.then((settled) => (args[index] = settled)));
      else args[index] = value;
    }
    return waiting && Promise.all(waiting);
  }

  #host(): ExecutionContextHost {
    if (this.#context !== undefined) return this.#context;
    const { metatype, method } = this.#method;
    const host = new ExecutionContextHost(this.#args, metatype, method);
    host.setType('ws');
    return (this.#context = host);
  }
}

/**
 * What an interceptor gets from `next.handle()`: all that is left of the call, run when someone subscribes, in the
 * asynchronous context of whoever asked for it. Returned as it is, it need not be an Observable at all.
 */
class Rest extends Observable<unknown> {
  readonly #scope = new AsyncResource('AerieHandler');
  readonly #call: Call;
  readonly #index: number;

  constructor(call: Call, index: number) {
    super((subscriber) => emit(this.run(), subscriber));
    this.#call = call;
    this.#index = index;
  }

  run(): unknown {
    return this.#scope.runInAsyncScope(() => this.#call.intercept(this.#index));
  }
}

function passed(result: unknown): unknown {
  if (result instanceof Rest) return result.run();
  return isObservable(result) ? result : from(result as ObservableInput<unknown>);
}

function emit(result: unknown, subscriber: Subscriber<unknown>): void {
  if (isThenable(result)) {
    result.then(
      (value) => emitSettled(value, subscriber),
      (error: unknown) => subscriber.error(error),
    );
  } else emitSettled(result, subscriber);
}

function emitSettled(value: unknown, subscriber: Subscriber<unknown>): void {
  if (subscriber.closed) return;
  if (isObservable(value)) {
    subscriber.add(value.subscribe(subscriber));
    return;
  }
  subscriber.next(value);
  subscriber.complete();
}

/** What comes out of a value's pipes; a promise only where something was one. */
function throughPipes(value: unknown, metadata: ArgumentMetadata, pipes: readonly PipeTransform[]): unknown {
  let current = value;
  for (const [index, pipe] of pipes.entries()) {
    if (isThenable(current))
      return current.then((settled) => throughPipes(settled, metadata, pipes.slice(index)));
    current = pipe.transform(current, metadata);
  }
  return current;
}

async function lastOf(verdict: unknown): Promise<unknown> {
  const settled = await verdict;
  return isObservable(settled) ? lastValueFrom(settled) : settled;
}

function demand(verdict: unknown): void {
  if (!verdict) throw new WsException(FORBIDDEN_MESSAGE);
}

function isThenable(value: unknown): value is Promise<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return 'then' in value && typeof value.then === 'function';
}
