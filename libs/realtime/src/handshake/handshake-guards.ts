import type { ServerResponse } from 'node:http';
import { ERROR_STATUS, type ErrorBody } from '@aerie/protocol';
import { type CanActivate, HttpException, Logger, type Type } from '@nestjs/common';
import { GUARDS_METADATA } from '@nestjs/common/internal';
import type { ApplicationConfig, ExternalContextCreator, ModulesContainer } from '@nestjs/core';
import { expectedError } from '../expected-error.js';
import { Refusal } from '../refusal.js';
import type { HandshakeRequest } from './authenticator.js';
import { redactedFault } from './redacted-fault.js';
import { RETRY_AFTER_SECONDS } from './refusals.js';

/** A gateway class in the application, with the module that holds it. */
export interface GuardedClass {
  readonly instance: object;
  readonly metatype: Type;
  readonly moduleKey: string;
}

export interface GuardSources {
  readonly contexts: ExternalContextCreator;
  readonly modules: ModulesContainer;
  readonly config: ApplicationConfig;
}

type Run = (request: HandshakeRequest, response: ServerResponse) => Promise<unknown>;

/**
 * The guards of gateway classes, run before the upgrade is accepted: global ones (APP_GUARD), the class's own, and those on
 * its `handleConnection`. They get an HTTP execution context over the upgrade request, so that existing HTTP guards serve.
 */
export class HandshakeGuards {
  readonly #logger = new Logger('AerieHandshake');
  readonly #runs: readonly Run[];

  /** Throws where a guard is request-scoped: at a handshake Nest would run it unconstructed. */
  constructor(gateways: readonly GuardedClass[], sources: GuardSources) {
    for (const gateway of gateways) refuseRequestScoped(gateway, sources);
    this.#runs = gateways.map((gateway) => compile(gateway, sources.contexts));
  }

  /** Undefined: everyone said yes. */
  async run(request: HandshakeRequest, response: ServerResponse): Promise<Refusal | undefined> {
    for (const run of this.#runs) {
      const refusal = await this.#runOne(run, request, response);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  async #runOne(run: Run, request: HandshakeRequest, response: ServerResponse): Promise<Refusal | undefined> {
    try {
      await run(request, response);
      return response.headersSent
        ? new Refusal('forbidden', 'refused by the application', { reason: 'guard_answered' })
        : undefined;
    } catch (error) {
      return this.#refusalOf(error, request);
    }
  }

  #refusalOf(error: unknown, request: HandshakeRequest): Refusal {
    const body = expectedError(error);
    if (body === undefined) {
      const { message, stack } = redactedFault(error, ...secretsOf(request));
      this.#logger.error(`a handshake guard failed: ${message}`, stack);
      return new Refusal('internal', 'Internal server error', { reason: 'guard_failed' });
    }
    const status = error instanceof HttpException ? error.getStatus() : undefined;
    return refusedBy(body, status);
  }
}

// All that may be a credential on a request: guards see it, and may put it into what they throw.
function secretsOf({ headers: { authorization, cookie }, url = '' }: HandshakeRequest): string[] {
  const bearer = authorization?.slice(authorization.indexOf(' ') + 1);
  const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
  return [bearer ?? '', query, cookie ?? ''];
}

// Nest's exceptions can't say when to come back, and every 429 and 503 of a handshake does.
function refusedBy({ code, message }: ErrorBody, status: number = ERROR_STATUS[code]): Refusal {
  const mayPass = status === 429 || status === 503;
  return new Refusal(code, message, {
    reason: 'guard',
    status,
    ...(mayPass && { retryAfterSeconds: RETRY_AFTER_SECONDS }),
  });
}

function compile({ instance }: GuardedClass, contexts: ExternalContextCreator): Run {
  const handler = handshakeHandler(instance);
  return contexts.create(instance, handler, 'handleConnection', undefined, undefined, undefined, undefined, {
    guards: true,
    interceptors: false,
    filters: false,
  }) as Run;
}

// Nest calls the handler when the guards have passed: an empty one, which carries what decorators put on handleConnection.
function handshakeHandler(instance: object): () => void {
  const handleConnection = nothing.bind(undefined);
  const original: unknown = Reflect.get(instance, 'handleConnection');
  if (typeof original !== 'function') return handleConnection;
  for (const key of Reflect.getMetadataKeys(original))
    Reflect.defineMetadata(key, Reflect.getMetadata(key, original), handleConnection);
  return handleConnection;
}

function nothing(): void {}

function refuseRequestScoped(
  { instance, metatype, moduleKey }: GuardedClass,
  { modules, config }: GuardSources,
): void {
  const scopedGlobal = config.getGlobalRequestGuards();
  if (scopedGlobal.length > 0)
    throw new Error(
      `${metatype.name}: a global guard is request-scoped, which a handshake can't run. Make it a singleton.`,
    );
  const own: unknown = Reflect.get(instance, 'handleConnection');
  for (const guard of [...guardsOn(metatype), ...(typeof own === 'function' ? guardsOn(own) : [])]) {
    if (typeof guard !== 'function') continue;
    const wrapper = modules.get(moduleKey)?.injectables.get(guard);
    if (wrapper === undefined || wrapper.isDependencyTreeStatic()) continue;
    throw new Error(
      `${metatype.name}: guard ${guard.name} is request-scoped, which a handshake can't run. Make it a singleton.`,
    );
  }
}

function guardsOn(target: object): readonly (Type<CanActivate> | CanActivate)[] {
  return (Reflect.getMetadata(GUARDS_METADATA, target) ?? []) as readonly (Type<CanActivate> | CanActivate)[];
}
