import type { ArgumentMetadata, PipeTransform, Type } from '@nestjs/common';
import { type ApplicationConfig, MetadataScanner, type ModulesContainer, NestContainer } from '@nestjs/core';
import {
  GuardsConsumer,
  GuardsContextCreator,
  InterceptorsConsumer,
  InterceptorsContextCreator,
  ParamsTokenFactory,
  PipesConsumer,
  PipesContextCreator,
  type ParamProperties,
} from '@nestjs/core/internal';
import { ExceptionFiltersContext } from '@nestjs/websockets/context/exception-filters-context.js';
import { WsContextCreator } from '@nestjs/websockets/context/ws-context-creator.js';
import { WsProxy } from '@nestjs/websockets/context/ws-proxy.js';
import { GatewayMetadataExplorer } from '@nestjs/websockets/gateway-metadata-explorer.js';
import type { FoundGateway } from './gateway-explorer.js';
import { GatewayMethod, type MethodParameter } from './gateway-method.js';

type Callback = (...args: unknown[]) => unknown;

/** A method as its decorators describe it. */
interface Subscribed {
  readonly message: string;
  readonly methodName: string;
  readonly callback: Callback;
}

/** Reads what Nest's decorators say of gateway methods: the same metadata, found by Nest's own readers. */
export class GatewayMethods {
  readonly #explorer = new GatewayMetadataExplorer(new MetadataScanner());
  readonly #tokens = new ParamsTokenFactory();
  readonly #filters: ExceptionFiltersContext;
  readonly #pipes: PipesContextCreator;
  readonly #guards: GuardsContextCreator;
  readonly #interceptors: InterceptorsContextCreator;
  readonly #reader: WsContextCreator;

  constructor(modules: ModulesContainer, config: ApplicationConfig) {
    const container = new ContainerOf(modules);
    this.#filters = new ExceptionFiltersContext(container);
    this.#pipes = new PipesContextCreator(container, config);
    this.#guards = new GuardsContextCreator(container, config);
    this.#interceptors = new InterceptorsContextCreator(container, config);
    this.#reader = new WsContextCreator(
      new WsProxy(),
      this.#filters,
      this.#pipes,
      new PipesConsumer(),
      this.#guards,
      new GuardsConsumer(),
      this.#interceptors,
      new InterceptorsConsumer(),
    );
  }

  /** By event; the first gateway that names an event has it. */
  of(gateways: readonly FoundGateway[]): ReadonlyMap<string, GatewayMethod> {
    const methods = new Map<string, GatewayMethod>();
    for (const gateway of gateways)
      for (const subscribed of this.#explorer.explore(gateway.instance) as Subscribed[])
        if (!methods.has(subscribed.message))
          methods.set(subscribed.message, this.#method(gateway, subscribed));
    return methods;
  }

  #method(
    { instance, moduleKey }: FoundGateway,
    { message, methodName, callback }: Subscribed,
  ): GatewayMethod {
    const filters = this.#filters.create(instance, callback, moduleKey);
    const pipes = this.#pipes.create(instance, callback, moduleKey);
    const guards = this.#guards.create(instance, callback, moduleKey);
    const interceptors = this.#interceptors.create(instance, callback, moduleKey);
    const { argsLength, paramtypes, getParamsMetadata } = this.#reader.getMetadata(
      instance,
      methodName,
      'ws',
    );
    const parameters = getParamsMetadata(moduleKey).map((parameter) =>
      this.#parameter(parameter, paramtypes?.[parameter.index], pipes),
    );
    return new GatewayMethod({
      instance,
      metatype: instance.constructor as Type,
      method: callback,
      guards,
      interceptors,
      filters,
      parameters,
      blanks: Array.from({ length: argsLength }, () => undefined),
      pattern: message,
    });
  }

  #parameter(
    { index, type, data, pipes, extractValue, schema }: ParamProperties,
    metatype: unknown,
    own: PipeTransform[],
  ): MethodParameter {
    const kind = this.#tokens.exchangeEnumForString(type as number);
    return {
      index,
      extract: (args) => (extractValue as Callback)(...args),
      metadata: { metatype, type: kind, data, schema } as ArgumentMetadata,
      pipes: [...own, ...pipes],
    };
  }
}

/** Nest's readers ask a container for the application's modules only; the application's own can't be injected. */
class ContainerOf extends NestContainer {
  readonly #modules: ModulesContainer;

  constructor(modules: ModulesContainer) {
    super();
    this.#modules = modules;
  }

  override getModules(): ModulesContainer {
    return this.#modules;
  }
}
