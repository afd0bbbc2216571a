import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { GATEWAY_METADATA, GATEWAY_OPTIONS, PORT_METADATA } from '@nestjs/websockets/internal';
import type { GuardedClass } from '../../handshake/handshake-guards.js';
import { PathPattern } from '../../handshake/path-pattern.js';

/** A class with `@WebSocketGateway` in this application. */
export interface FoundGateway extends GuardedClass {
  readonly path: string;
  readonly port: number;
  readonly isStatic: boolean;
}

/** Finds the application's gateway classes. Call it once providers are instantiated. */
export function exploreGateways(modules: ModulesContainer): readonly FoundGateway[] {
  const found: FoundGateway[] = [];
  for (const [moduleKey, module] of modules)
    for (const wrapper of module.providers.values()) {
      const { metatype, instance } = wrapper as { metatype: unknown; instance: unknown };
      if (wrapper.isNotMetatype || !isGateway(metatype) || typeof instance !== 'object' || instance === null)
        continue;
      found.push({
        instance,
        metatype,
        moduleKey,
        isStatic: wrapper.isDependencyTreeStatic(),
        ...addressOf(metatype),
      });
    }
  return found;
}

function isGateway(metatype: unknown): metatype is Type {
  return typeof metatype === 'function' && Reflect.getMetadata(GATEWAY_METADATA, metatype) === true;
}

function addressOf(metatype: Type): { path: string; port: number } {
  const options = (Reflect.getMetadata(GATEWAY_OPTIONS, metatype) ?? {}) as { path?: string };
  const port: unknown = Reflect.getMetadata(PORT_METADATA, metatype);
  return { path: new PathPattern(options.path ?? '/').path, port: typeof port === 'number' ? port : 0 };
}
