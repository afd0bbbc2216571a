import type { Response } from 'express';
import {
  type CanActivate,
  ConflictException,
  type ExecutionContext,
  HttpException,
  Inject,
  Injectable,
  Scope,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { type ClientFacade, ConnectionRegistry, HandshakeOnly, type HandshakeRequest } from '@aerie/realtime';
import { openClient } from '@aerie/realtime/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tokenFor } from './support/gateway.js';
import { type HttpPlatform, type NestApp, startNestApp } from './support/nest-app.js';

const TENANTS = Symbol('tenants');

/** Reads the request as any HTTP guard would, and the same headers off the client of a message. */
@Injectable()
class TenantGuard implements CanActivate {
  static readonly asked: string[] = [];
  constructor(@Inject(TENANTS) private readonly tenants: readonly string[]) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.getType() === 'http';
    const { headers, user } = http
      ? context.switchToHttp().getRequest<HandshakeRequest>()
      : context.switchToWs().getClient<ClientFacade>();
    const known = typeof user === 'object' && user !== null && 'user' in user;
    TenantGuard.asked.push(`${context.getType()} ${context.getClass().name} ${known}`);
    return this.tenants.includes(String(headers['x-tenant']));
  }
}

@HandshakeOnly()
@Injectable()
class DoorGuard implements CanActivate {
  static asked = 0;
  canActivate(): boolean {
    DoorGuard.asked += 1;
    return true;
  }
}

@Injectable()
class TeapotGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<HandshakeRequest>();
    if (headers['x-status'] === '409') throw new ConflictException('there is one already');
    if (headers['x-status'] === '418') throw new HttpException('short and stout', 418);
    if (headers['x-status'] === 'broken') throw new Error('the secret of the guard');
    return true;
  }
}

@Injectable()
class GlobalGuard implements CanActivate {
  static readonly asked: string[] = [];
  canActivate(context: ExecutionContext): boolean {
    GlobalGuard.asked.push(context.getType());
    const { headers } =
      context.getType() === 'http'
        ? context.switchToHttp().getRequest<HandshakeRequest>()
        : context.switchToWs().getClient<ClientFacade>();
    return headers['x-global'] !== 'no';
  }
}

@WebSocketGateway({ path: '/ws' })
@UseGuards(TenantGuard, DoorGuard)
class GuardedGateway {
  static entered = 0;

  @UseGuards(TeapotGuard)
  handleConnection(): void {
    GuardedGateway.entered += 1;
  }

  @SubscribeMessage('hello')
  hello(): string {
    return 'hi';
  }
}

const tenants = { provide: TENANTS, useValue: ['acme'] };
const acme = { headers: { 'x-tenant': 'acme' } };

describe.each<HttpPlatform>(['express', 'fastify'])('guards of a gateway on %s', (platform) => {
  let app: NestApp;
  beforeEach(async () => {
    app = await startNestApp({ providers: [GuardedGateway, tenants] }, { platform });
    TenantGuard.asked.length = 0;
    DoorGuard.asked = 0;
    GuardedGateway.entered = 0;
  });
  afterEach(() => app.close());

  it('say no before the 101: 403, and nobody is registered', async () => {
    const answer = await app.probe('alice', '/ws', { headers: { 'x-tenant': 'other' } });
    expect(answer).toMatchObject({ status: 403, body: { error: { code: 'forbidden' } } });
    expect(GuardedGateway.entered).toBe(0);
    expect(app.get(ConnectionRegistry).size).toBe(0);
  });

  it('say no with the status of what they throw; a fault tells nothing of itself', async () => {
    const statuses = ['409', '418', 'broken'].map((status) =>
      app.probe('alice', '/ws', { headers: { ...acme.headers, 'x-status': status } }),
    );
    expect(await Promise.all(statuses)).toMatchObject([
      { status: 409, body: { error: { code: 'conflict', message: 'there is one already' } } },
      { status: 418, body: { error: { message: 'short and stout' } } },
      { status: 500, body: { error: { code: 'internal', message: 'Internal server error' } } },
    ]);
  });

  it('run after authentication, with their dependencies, and again on each message', async () => {
    const client = await app.connect('alice', '/ws', acme.headers);
    expect(await client.request('hello')).toMatchObject({ data: 'hi' });
    expect(TenantGuard.asked).toEqual(['http GuardedGateway true', 'ws GuardedGateway true']);
  });

  it('run at the handshake alone where they are @HandshakeOnly()', async () => {
    const client = await app.connect('alice', '/ws', acme.headers);
    await client.request('hello');
    expect(DoorGuard.asked).toBe(1);
  });

  it('run at $auth for a client that comes in without a credential', async () => {
    const good = await openClient(app.ws(), { headers: acme.headers });
    const bad = await openClient(app.ws(), { headers: { 'x-tenant': 'other' } });
    expect(TenantGuard.asked).toEqual([]);
    for (const client of [good, bad]) client.send('$auth', { token: tokenFor('alice') });
    await good.frame('$welcome');
    expect(await bad.closed).toMatchObject({ code: 1008 });
    expect(GuardedGateway.entered).toBe(1);
    good.socket.terminate();
  });
});

describe('APP_GUARD', () => {
  it.each([
    ['useClass', [{ provide: APP_GUARD, useClass: GlobalGuard }]],
    ['useExisting', [GlobalGuard, { provide: APP_GUARD, useExisting: GlobalGuard }]],
    ['useValue', [{ provide: APP_GUARD, useValue: new GlobalGuard() }]],
  ])('runs at the handshake: %s', async (_name, guards) => {
    await using app = await startNestApp({ providers: [GuardedGateway, tenants, ...guards] });
    GlobalGuard.asked.length = 0;
    expect(await app.probe('alice', '/ws', { headers: { ...acme.headers, 'x-global': 'no' } })).toMatchObject(
      {
        status: 403,
      },
    );
    expect(GlobalGuard.asked).toEqual(['http']);
    const client = await app.connect('alice', '/ws', acme.headers);
    expect(await client.request('hello')).toMatchObject({ data: 'hi' });
  });

  it('set by useGlobalGuards runs, too', async () => {
    await using app = await startNestApp(
      { providers: [GuardedGateway, tenants] },
      { prepare: (nest) => void nest.useGlobalGuards(new GlobalGuard()) },
    );
    expect(await app.probe('alice', '/ws', { headers: { ...acme.headers, 'x-global': 'no' } })).toMatchObject(
      {
        status: 403,
      },
    );
  });
});

@Injectable({ scope: Scope.REQUEST })
class PerRequest {}

@Injectable()
class GuardOfRequests implements CanActivate {
  constructor(readonly perRequest: PerRequest) {}
  canActivate(): boolean {
    return true;
  }
}

@Injectable({ scope: Scope.REQUEST })
class GuardPerRequest extends TeapotGuard {}

function gatewayWith(guard: Type<CanActivate>): Type {
  @WebSocketGateway({ path: '/ws' })
  @UseGuards(guard)
  class ScopedGateway {}
  return ScopedGateway;
}

@WebSocketGateway({ path: '/ws' })
class HookGateway {
  @UseGuards(GuardPerRequest)
  handleConnection(): void {}
}

@WebSocketGateway({ path: '/ws' })
class GatewayPerRequest {
  constructor(readonly perRequest: PerRequest) {}
}

describe('what lives per request', () => {
  it.each([
    ['a guard', [gatewayWith(GuardPerRequest)], /ScopedGateway: guard GuardPerRequest is request-scoped/],
    [
      'a guard by its dependencies',
      [gatewayWith(GuardOfRequests), PerRequest],
      /GuardOfRequests is request-scoped/,
    ],
    ['a guard on handleConnection', [HookGateway], /HookGateway: guard GuardPerRequest is request-scoped/],
    [
      'a gateway',
      [GatewayPerRequest, PerRequest],
      /GatewayPerRequest, or something that it uses, is request-scoped/,
    ],
    [
      'an APP_GUARD',
      [GuardedGateway, tenants, { provide: APP_GUARD, useClass: GuardPerRequest }],
      /global guard is request-scoped/,
    ],
  ])('is refused at boot: %s', async (_name, providers, message) => {
    await expect(startNestApp({ providers })).rejects.toThrow(message);
  });
});

/** Answers by itself, as an HTTP guard may that was written for Express. */
@Injectable()
class PaywallGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    context.switchToHttp().getResponse<Response>().status(402).json({ pay: 'first' });
    return false;
  }
}

@WebSocketGateway({ path: '/ws' })
@UseGuards(PaywallGuard)
class PaidGateway {}

describe('a guard that answers by itself on Express', () => {
  it('is what the client is told', async () => {
    await using app = await startNestApp({ providers: [PaidGateway] }, { platform: 'express' });
    const answer = await app.probe('alice');
    expect(answer).toMatchObject({ status: 402 });
    expect(JSON.stringify(answer)).toContain('first');
  });

  it('is what somebody who asks by GET is told as well', async () => {
    await using app = await startNestApp({ providers: [PaidGateway] }, { platform: 'express' });
    const answer = await fetch(app.url('/ws'), { headers: { authorization: `Bearer ${tokenFor('alice')}` } });
    expect([answer.status, await answer.json()]).toEqual([402, { pay: 'first' }]);
  });
});
