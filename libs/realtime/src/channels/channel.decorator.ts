import {
  applyDecorators,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  SetMetadata,
} from '@nestjs/common';
import type { Refusal } from '../refusal.js';
import type { ChannelOptions } from './channel-rule.js';

export const CHANNEL_METADATA = 'aerie:channel';
export const ON_SUBSCRIBE_METADATA = 'aerie:on-subscribe';
export const ON_PUBLISH_METADATA = 'aerie:on-publish';

/** What `@OnPublish()` without an event stands for. */
export const ANY_EVENT = '*';

export interface ChannelMetadata {
  readonly pattern: string;
  readonly options: ChannelOptions;
}

/** The third argument of a channel's methods, behind client and data. */
export interface ChannelArguments {
  readonly channel: string;
  readonly params: Readonly<Record<string, string>>;
  readonly event?: string;
}

type Verdict = boolean | Refusal;
type SubscribeMethod = (...args: never[]) => Verdict | Promise<Verdict>;

/**
 * Makes a provider the rule of all channels of a pattern such as `room:{id}`. Without `@OnSubscribe` nobody may subscribe,
 * without `@OnPublish` no client may publish.
 */
export function Channel(pattern: string, options: ChannelOptions = {}): ClassDecorator {
  return applyDecorators(
    Injectable(),
    SetMetadata(CHANNEL_METADATA, { pattern, options } satisfies ChannelMetadata),
  );
}

/** The method that says who may subscribe: `true` lets in, anything else does not. Guards, pipes, interceptors and filters run. */
export function OnSubscribe() {
  // Generic, so that a method which returns a mere `boolean` is one, too.
  return <Method extends SubscribeMethod>(
    target: object,
    _key: string | symbol,
    descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    Reflect.defineMetadata(ON_SUBSCRIBE_METADATA, true, descriptor.value ?? target);
  };
}

/**
 * The method that takes a client's publication, of one event or of any. What it returns is published; `undefined` refuses.
 * Guards, pipes, interceptors and filters run.
 */
export function OnPublish(event: string = ANY_EVENT): MethodDecorator {
  return (target, _key, descriptor) => {
    Reflect.defineMetadata(ON_PUBLISH_METADATA, event, (descriptor.value as object | undefined) ?? target);
  };
}

/** A `{name}` segment of the channel, or all of them without a name. */
export const ChannelParam = createParamDecorator((name: string | undefined, context: ExecutionContext) => {
  const { params } = context.getArgByIndex<ChannelArguments>(2);
  return name === undefined ? params : params[name];
});

/** The channel's full name. */
export const ChannelName = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => context.getArgByIndex<ChannelArguments>(2).channel,
);
