import type { Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/internal';
import { type ExternalContextCreator, MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { Refusal } from '../refusal.js';
import {
  ANY_EVENT,
  type ChannelArguments,
  CHANNEL_METADATA,
  type ChannelMetadata,
  ON_PUBLISH_METADATA,
  ON_SUBSCRIBE_METADATA,
} from './channel.decorator.js';
import type { ChannelRequest, ChannelRule } from './channel-rule.js';

/** Client, data, channel arguments, and the pattern: what Nest's contexts index. */
type Run = (
  ...args: [client: unknown, data: unknown, channel: ChannelArguments, pattern: string]
) => Promise<unknown>;

export interface DecoratedChannelSources {
  readonly modules: ModulesContainer;
  readonly contexts: ExternalContextCreator;
  /** What guards and parameter decorators get as their client. */
  readonly clientOf: (asker: Pick<ChannelRequest, 'connection' | 'visitor'>) => unknown;
}

/** The rules that the application's `@Channel` classes make. Throws for a request-scoped class, and for two methods of one event. */
export function decoratedChannels(sources: DecoratedChannelSources): readonly ChannelRule[] {
  const rules: ChannelRule[] = [];
  for (const module of sources.modules.values())
    for (const wrapper of module.providers.values()) {
      const { metatype, instance } = wrapper as { metatype: unknown; instance: unknown };
      if (
        wrapper.isNotMetatype ||
        typeof metatype !== 'function' ||
        typeof instance !== 'object' ||
        instance === null
      )
        continue;
      const metadata = Reflect.getMetadata(CHANNEL_METADATA, metatype) as ChannelMetadata | undefined;
      if (metadata === undefined) continue;
      if (!wrapper.isDependencyTreeStatic())
        throw new Error(`${metatype.name} is request-scoped, which a channel can't be. Make it a singleton.`);
      rules.push(ruleOf({ metatype: metatype as Type, instance, metadata }, sources));
    }
  return rules;
}

interface Found {
  readonly metatype: Type;
  readonly instance: object;
  readonly metadata: ChannelMetadata;
}

function ruleOf(
  { metatype, instance, metadata }: Found,
  { contexts, clientOf }: DecoratedChannelSources,
): ChannelRule {
  const { subscribe, publish } = methodsOf(metatype, instance, contexts);
  return {
    pattern: metadata.pattern,
    ...metadata.options,
    maySubscribe: async (request) => {
      const { channel, params } = request;
      const verdict = await subscribe?.(clientOf(request), undefined, { channel, params }, channel);
      return verdict instanceof Refusal ? verdict : verdict === true;
    },
    mayPublish: async (request) => {
      const { channel, params, event, data } = request;
      const run = publish.get(event) ?? publish.get(ANY_EVENT);
      const published = await run?.(clientOf(request), data, { channel, params, event }, event);
      if (published instanceof Refusal) return published;
      return published === undefined ? false : { data: published };
    },
  };
}

function methodsOf(
  metatype: Type,
  instance: object,
  contexts: ExternalContextCreator,
): { subscribe: Run | undefined; publish: Map<string, Run> } {
  let subscribe: Run | undefined;
  const publish = new Map<string, Run>();
  for (const name of new MetadataScanner().getAllMethodNames(metatype.prototype as object)) {
    const method = Reflect.get(instance, name) as (...args: unknown[]) => unknown;
    const event = Reflect.getMetadata(ON_PUBLISH_METADATA, method) as string | undefined;
    const onSubscribe = Reflect.getMetadata(ON_SUBSCRIBE_METADATA, method) === true;
    if ((onSubscribe && subscribe !== undefined) || (event !== undefined && publish.has(event)))
      throw new Error(`${metatype.name}.${name}: the channel has a method for this already`);
    if (onSubscribe) subscribe = compile(instance, name, contexts);
    if (event !== undefined) publish.set(event, compile(instance, name, contexts));
  }
  return { subscribe, publish };
}

function compile(instance: object, name: string, contexts: ExternalContextCreator): Run {
  const method = Reflect.get(instance, name) as (...args: unknown[]) => unknown;
  return contexts.create(
    instance,
    method,
    name,
    ROUTE_ARGS_METADATA,
    parameters,
    undefined,
    undefined,
    undefined,
    'ws',
  ) as Run;
}

// Nest numbers the parameters of message handlers: 0 the client, 3 the body.
const parameters = {
  exchangeKeyForValue(type: number, data: unknown, args: unknown[]): unknown {
    if (type === 0) return args[0];
    if (type !== 3) return undefined;
    return typeof data === 'string' ? (args[1] as Record<string, unknown> | undefined)?.[data] : args[1];
  },
};
