import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  HttpException,
  Injectable,
  Logger,
  Scope,
  ServiceUnavailableException,
  type Type,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD, ApplicationConfig, ExternalContextCreator, ModulesContainer } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import type { Refusal } from '../refusal.js';
import type { HandshakeRequest } from './authenticator.js';
import { HandshakeGuards } from './handshake-guards.js';
import { prepareRequest, prepareResponse } from './handshake-request.js';

const seen: string[] = [];

@Injectable()
class Words {
  readonly tenant = 'acme';
}

@Injectable()
class TenantGuard implements CanActivate {
  constructor(private readonly words: Words) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<HandshakeRequest>();
    seen.push(`tenant ${context.getType()} ${context.getClass().name} ${context.getHandler().name}`);
    return request.headers['x-tenant'] === this.words.tenant;
  }
}

@Injectable()
class GlobalGuard implements CanActivate {
  canActivate(): boolean {
    seen.push('global');
    return true;
  }
}

@Injectable()
class ThrowingGuard implements CanActivate {
  static toThrow: unknown;
  canActivate(): boolean {
    if (ThrowingGuard.toThrow !== undefined) throw ThrowingGuard.toThrow;
    return true;
  }
}

@Injectable()
class AnsweringGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    context.switchToHttp().getResponse<{ writeHead(status: number): void }>().writeHead(402);
    return true;
  }
}

@Injectable({ scope: Scope.REQUEST })
class ScopedGuard implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

@UseGuards(TenantGuard)
@Injectable()
class TenantGateway {}

@UseGuards(ThrowingGuard)
@Injectable()
class ThrowingGateway {}

@UseGuards(AnsweringGuard)
@Injectable()
class AnsweringGateway {}

@Injectable()
class MethodGateway {
  @UseGuards(TenantGuard)
  handleConnection(): void {
    seen.push('handleConnection');
  }
}

@UseGuards(ScopedGuard)
@Injectable()
class ScopedGateway {}

const requests = new ReceivedRequests();
let module: TestingModule | undefined;

afterEach(async () => {
  seen.length = 0;
  ThrowingGuard.toThrow = undefined;
  await module?.close();
});
afterAll(() => {
  Logger.overrideLogger(new Logger());
  requests.close();
});

async function guardsOf(...gateways: Type<object>[]): Promise<HandshakeGuards> {
  const providers = [Words, ...gateways, { provide: APP_GUARD, useClass: GlobalGuard }];
  module = await Test.createTestingModule({ providers }).compile();
  module.useLogger(false);
  await module.init();
  const modules = module.get(ModulesContainer);
  const found = gateways.flatMap((metatype) =>
    [...modules].flatMap(([moduleKey, { providers: known }]) => {
      const instance: unknown = known.get(metatype)?.instance;
      return typeof instance === 'object' && instance !== null ? [{ instance, metatype, moduleKey }] : [];
    }),
  );
  return new HandshakeGuards(found, {
    contexts: module.get(ExternalContextCreator),
    modules,
    config: module.get(ApplicationConfig),
  });
}

async function run(guards: HandshakeGuards, tenant = 'acme'): Promise<Refusal | undefined> {
  const bare = await requests.receive('/ws', [`X-Tenant: ${tenant}`]);
  const request = prepareRequest(bare, { ip: '192.0.2.1', params: {}, transport: 'websocket' }, {});
  return guards.run(request, prepareResponse(bare, {}));
}

describe('the guards of gateway classes', () => {
  it('run as HTTP guards with their dependencies, global ones first', async () => {
    const guards = await guardsOf(TenantGateway);
    await expect(run(guards)).resolves.toBeUndefined();
    expect(seen[0]).toBe('global');
    expect(seen[1]).toMatch(/^tenant http TenantGateway/);
    await expect(run(guards, 'other')).resolves.toMatchObject({ code: 'forbidden', status: 403 });
  });

  it('log a fault without the credentials that they saw', async () => {
    const guards = await guardsOf(ThrowingGateway);
    const error = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    ThrowingGuard.toThrow = new Error('bad: a-bearer-token at /ws?ticket=a-ticket-of-mine, session=a-cookie');
    const bare = await requests.receive('/ws?ticket=a-ticket-of-mine', [
      'Authorization: Bearer a-bearer-token',
      'Cookie: session=a-cookie',
    ]);
    const request = prepareRequest(bare, { ip: '192.0.2.1', params: {}, transport: 'websocket' }, {});
    const refusal = await guards.run(request, prepareResponse(bare, {}));
    expect(refusal).toMatchObject({ code: 'internal', reason: 'guard_failed' });
    expect(error).toHaveBeenCalledExactlyOnceWith(
      'a handshake guard failed: Error: bad: [redacted] at /ws?[redacted], [redacted]',
      expect.stringContaining('handshake-guards.spec.ts'),
    );
    error.mockRestore();
  });

  it('that stand on handleConnection run too, and it itself does not', async () => {
    const guards = await guardsOf(MethodGateway);
    await expect(run(guards, 'other')).resolves.toMatchObject({ status: 403 });
    await expect(run(guards)).resolves.toBeUndefined();
    expect(seen).not.toContain('handleConnection');
  });

  it('of all classes at a path must say yes', async () => {
    const guards = await guardsOf(ThrowingGateway, TenantGateway);
    await expect(run(guards, 'other')).resolves.toMatchObject({ status: 403 });
    ThrowingGuard.toThrow = new UnauthorizedException();
    await expect(run(guards)).resolves.toMatchObject({ code: 'unauthenticated' });
  });

  it.each([
    [new UnauthorizedException('log in'), 'unauthenticated', 401, 'log in'],
    [new ForbiddenException('not you'), 'forbidden', 403, 'not you'],
    [new HttpException({ code: 'rate_limited', message: 'slowly' }, 429), 'rate_limited', 429, 'slowly'],
    [new HttpException('pay', 402), 'invalid', 402, 'pay'],
    [new Error('secret detail'), 'internal', 500, 'Internal server error'],
    ['a string', 'internal', 500, 'Internal server error'],
  ])('refuse by what they throw: %s', async (thrown, code, status, message) => {
    const guards = await guardsOf(ThrowingGateway);
    ThrowingGuard.toThrow = thrown;
    await expect(run(guards)).resolves.toMatchObject({ code, status, message });
  });

  it.each([
    [new ServiceUnavailableException(), 2],
    [new HttpException('slowly', 429), 2],
    [new ForbiddenException(), undefined],
  ])('say when to come back where that helps: %s', async (thrown, retryAfterSeconds) => {
    const guards = await guardsOf(ThrowingGateway);
    ThrowingGuard.toThrow = thrown;
    const refusal = await run(guards);
    expect(refusal?.retryAfterSeconds).toBe(retryAfterSeconds);
  });

  it('that have answered by themselves have refused', async () => {
    const guards = await guardsOf(AnsweringGateway);
    await expect(run(guards)).resolves.toMatchObject({ reason: 'guard_answered' });
  });

  it('can be none at all', async () => {
    await expect(run(await guardsOf())).resolves.toBeUndefined();
  });

  it('cannot be request-scoped: that refuses the boot, by name', async () => {
    await expect(guardsOf(ScopedGateway)).rejects.toThrow(
      'ScopedGateway: guard ScopedGuard is request-scoped',
    );
  });
});
