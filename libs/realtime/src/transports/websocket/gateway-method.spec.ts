import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  createParamDecorator,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { ApplicationConfig, ModulesContainer, NestContainer } from '@nestjs/core';
import {
  GuardsConsumer,
  GuardsContextCreator,
  InterceptorsConsumer,
  InterceptorsContextCreator,
  PipesConsumer,
  PipesContextCreator,
} from '@nestjs/core/internal';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { ExceptionFiltersContext } from '@nestjs/websockets/context/exception-filters-context.js';
import { WsContextCreator } from '@nestjs/websockets/context/ws-context-creator.js';
import { WsProxy } from '@nestjs/websockets/context/ws-proxy.js';
import { defer, firstValueFrom, from, isObservable, map, of, retry, tap, throwError, toArray } from 'rxjs';
import { beforeEach, describe, expect, it } from 'vitest';
import { GatewayMethods } from './gateway-methods.js';

/** What ran, in order. */
const trace: string[] = [];
const storage = new AsyncLocalStorage<string>();
let attempts = 0;

function guard(name: string, verdict: () => unknown): CanActivate {
  return {
    canActivate(context: ExecutionContext) {
      trace.push(
        `guard ${name} ${context.getType()} ${context.getClass().name}.${context.getHandler().name}`,
      );
      return verdict() as boolean;
    },
  };
}

function pipe(name: string, transform: (value: unknown) => unknown): PipeTransform {
  return {
    transform(value: unknown, { type, metatype, data }) {
      trace.push(`pipe ${name} ${type} ${metatype?.name} ${String(data)}`);
      return transform(value);
    },
  };
}

type Intercept = (context: ExecutionContext, next: CallHandler) => unknown;

function interceptor(name: string, intercept: Intercept): NestInterceptor {
  return {
    intercept(context, next) {
      trace.push(`interceptor ${name} ${context.switchToWs().getPattern()}`);
      return intercept(context, next) as ReturnType<NestInterceptor['intercept']>;
    },
  };
}

const passing = (name: string): NestInterceptor => interceptor(name, (_context, next) => next.handle());
const mapping = (name: string): NestInterceptor =>
  interceptor(name, (_context, next) => next.handle().pipe(map((value) => `${name}(${String(value)})`)));
const fail = (what: string): never => {
  throw new Error(what);
};
const LateParameter = createParamDecorator((data: unknown, context: ExecutionContext) =>
  Promise.resolve(`${String(data)} of ${String(context.switchToWs().getData<{ a: unknown }>().a)}`),
);

@Catch()
class Filter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const pattern: string = host.switchToWs().getPattern();
    trace.push(`filter ${error instanceof Error ? error.message : 'no error'} ${pattern}`);
  }
}

const shout = pipe('shout', (value) => (typeof value === 'object' ? { ...value, shouted: true } : value));
const later = pipe('later', (value) => Promise.resolve(value));

@WebSocketGateway({ path: '/ws' })
@UseFilters(new Filter())
class Gateway {
  readonly name = 'gateway';

  @SubscribeMessage('plain')
  plain(data: unknown, client: unknown) {
    return { own: this.name, data, client };
  }

  @SubscribeMessage('every step at once')
  @UseGuards(guard('1', () => true), guard('2', () => true))
  @UsePipes(shout)
  @UseInterceptors(passing('1'), mapping('2'), passing('3'))
  everything(
    @MessageBody() body: object,
    @MessageBody('a', later) a: number,
    @ConnectedSocket() client: object,
  ) {
    return JSON.stringify([body, a, client, this.name]);
  }

  @SubscribeMessage('every step later')
  @UseGuards(
    guard('1', () => Promise.resolve(true)),
    guard('2', () => of(false, true)),
    guard('3', () => 'yes'),
  )
  @UsePipes(later, shout)
  @UseInterceptors(interceptor('1', async (_context, next) => next.handle()), mapping('2'))
  async everythingLater(@MessageBody() body: object, @LateParameter('part', shout) late: string) {
    return JSON.stringify([await Promise.resolve(body), late]);
  }

  @SubscribeMessage('several values')
  @UseInterceptors(passing('1'), mapping('2'))
  several() {
    return from([1, 2, 3]);
  }

  @SubscribeMessage('several values later')
  async severalLater() {
    return from([1, 2]);
  }

  @SubscribeMessage('in a context')
  @UseInterceptors(
    interceptor('1', (_context, next) => storage.run('outer', () => next.handle())),
    interceptor('2', (_context, next) => storage.run(`${storage.getStore()} inner`, () => next.handle())),
  )
  context() {
    return storage.getStore();
  }

  @SubscribeMessage('other data')
  @UseInterceptors(
    interceptor('1', (context, next) => {
      context.getArgs<unknown[]>()[1] = { a: 'another' };
      return next.handle();
    }),
  )
  otherData(@MessageBody() body: object) {
    return body;
  }

  @SubscribeMessage('never asked')
  @UseInterceptors(interceptor('1', () => of('cached')))
  neverAsked() {
    return fail('it was asked');
  }

  @SubscribeMessage('asked again')
  @UseInterceptors(interceptor('1', (_context, next) => next.handle().pipe(retry(2))))
  again() {
    attempts += 1;
    trace.push('attempt');
    return attempts < 3 ? fail('not yet') : 'at last';
  }

  @SubscribeMessage('watched')
  @UseInterceptors(
    interceptor('1', (_context, next) =>
      next.handle().pipe(tap({ error: () => trace.push('saw it'), complete: () => trace.push('done') })),
    ),
  )
  watched(@MessageBody() { fault }: { fault?: boolean }) {
    return fault === true ? Promise.reject(new Error('rejected')) : Promise.resolve('fine');
  }

  @SubscribeMessage('refused by the second')
  @UseGuards(guard('1', () => true), guard('2', () => false), guard('3', () => true))
  refused() {
    return fail('it was asked');
  }

  @SubscribeMessage('refused later')
  @UseGuards(guard('1', () => of(true, false)))
  refusedLater() {
    return fail('it was asked');
  }

  @SubscribeMessage('guard fails')
  @UseGuards(guard('1', () => fail('broken guard')))
  guardFails() {}

  @SubscribeMessage('pipe fails')
  @UsePipes(pipe('1', () => fail('bad input')))
  @UseInterceptors(passing('1'))
  pipeFails(@MessageBody() body: object) {
    return body;
  }

  @SubscribeMessage('pipe fails later')
  @UsePipes(later, pipe('1', () => Promise.reject(new Error('bad input'))))
  pipeFailsLater(@MessageBody() body: object) {
    return body;
  }

  @SubscribeMessage('interceptor fails')
  @UseInterceptors(passing('1'), interceptor('2', () => fail('broken interceptor')))
  interceptorFails() {}

  @SubscribeMessage('interceptor returns nothing')
  @UseInterceptors(interceptor('1', () => undefined))
  interceptorReturnsNothing() {}

  @SubscribeMessage('method fails')
  methodFails() {
    throw new WsException('no');
  }

  @SubscribeMessage('stream fails')
  @UseInterceptors(passing('1'))
  streamFails() {
    return throwError(() => new Error('torn'));
  }

  @SubscribeMessage('stream of one that fails')
  streamOfOne() {
    return defer(() => fail('torn'));
  }
}

const gateway = new Gateway();
const modules = new ModulesContainer();
const config = new ApplicationConfig();
config.useGlobalPipes(pipe('global', (value) => value));
config.useGlobalGuards(guard('global', () => true));
config.useGlobalInterceptors(passing('global'));

/** The same method as Nest itself would run it. */
function vanilla(methodName: string, method: (...args: unknown[]) => unknown) {
  const container = new NestContainer();
  return new WsContextCreator(
    new WsProxy(),
    new ExceptionFiltersContext(container),
    new PipesContextCreator(container, config),
    new PipesConsumer(),
    new GuardsContextCreator(container, config),
    new GuardsConsumer(),
    new InterceptorsContextCreator(container, config),
    new InterceptorsConsumer(),
  ).create(gateway, method, 'module', methodName);
}

const OURS = new GatewayMethods(modules, config).of([
  { instance: gateway, metatype: Gateway, moduleKey: 'module', path: '/ws', port: 0, isStatic: true },
]);
const METHODS = Object.getOwnPropertyNames(Gateway.prototype).filter((name) => name !== 'constructor');

interface Outcome {
  readonly returned: unknown;
  readonly trace: readonly string[];
}

async function outcomeOf(run: () => unknown): Promise<Outcome> {
  trace.length = 0;
  attempts = 0;
  const result: unknown = await run();
  const returned: unknown = isObservable(result) ? await firstValueFrom(result.pipe(toArray())) : [result];
  return { returned, trace: [...trace] };
}

describe("a gateway's method", () => {
  const client = { client: true };
  beforeEach(() => Reflect.deleteProperty(client, 'user'));

  describe.each([{ a: 1 }, { a: 2, fault: true }])('for %j', (data) => {
    it.each(METHODS)('%s does what Nest does, in the same order', async (name) => {
      const method = Reflect.get(gateway, name) as (...args: unknown[]) => unknown;
      const event = Reflect.getMetadata('message', method) as string;
      const theirs = await outcomeOf(() => vanilla(name, method)(client, { ...data }, event));
      const ours = await outcomeOf(() => OURS.get(event)?.run(client, { ...data }, event));
      expect(theirs.trace.length).toBeGreaterThan(0);
      expect(byParameter(ours.trace)).toEqual(byParameter(theirs.trace));
      // Nest makes an Observable of everything that an interceptor has seen; a failure is none, or undefined.
      expect(withoutNothing(ours.returned)).toEqual(withoutNothing(theirs.returned));
    });
  });

  it('waits for nothing where no step is asynchronous', () => {
    expect(OURS.get('other data')?.run(client, {}, 'other data')).toEqual({ a: 'another' });
    expect(OURS.get('in a context')?.run(client, {}, 'in a context')).toBe('outer inner');
  });
});

// Of several parameters Nest pipes a step of each in turn; what one parameter goes through has its order.
function byParameter(lines: readonly string[]): unknown {
  const pipes = lines.filter((line) => line.startsWith('pipe '));
  return {
    ...Object.groupBy(pipes, (line) => line.split(' ').slice(2).join(' ')),
    rest: lines.filter((line) => !line.startsWith('pipe ')),
  };
}

function withoutNothing(values: unknown): unknown[] {
  return (values as unknown[]).filter((value) => value !== undefined);
}
