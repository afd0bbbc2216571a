import type { AddressInfo } from 'node:net';
import {
  Controller,
  Get,
  Module,
  Req,
  UseGuards,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../connections/session.js';
import { MemoryRevocationLog } from '../memory/memory-revocation-log.js';
import { MemoryTicketStore } from '../memory/memory-ticket-store.js';
import { RevocationLog } from '../sessions/revocations.js';
import { REALTIME_AUTH_OPTIONS } from './auth-options.js';
import { Authenticator, type Credential, type HandshakeRequest } from './authenticator.js';
import { CredentialCheck } from './credential-check.js';
import { HandshakeOnly } from './handshake-only.decorator.js';
import { Refusal } from '../refusal.js';
import { unauthenticated } from './refusals.js';
import { ResumeProofs } from './resume-proofs.js';
import { SessionAuthentication } from './session-authentication.js';
import { SessionGuard } from './session.guard.js';
import { TicketStore } from './ticket-store.js';
import { Tickets } from './tickets.js';

const alice: Session = { user: 'alice', claims: {} };

class OnePassword extends Authenticator {
  asked = 0;
  override async authenticate(
    _request: HandshakeRequest,
    credential: Credential | undefined,
  ): Promise<Session | Refusal> {
    this.asked += 1;
    if (credential?.value === 'away') throw new Error('away');
    return credential?.value === 'password' ? alice : unauthenticated('wrong');
  }
}

@Controller()
class WhoAmI {
  @Get('me')
  @UseGuards(SessionGuard, SessionGuard)
  me(@Req() request: HandshakeRequest): unknown {
    return { session: request.session, user: request.user };
  }
}

const authenticator = new OnePassword();

@Module({
  controllers: [WhoAmI],
  providers: [
    SessionGuard,
    SessionAuthentication,
    CredentialCheck,
    Tickets,
    { provide: Authenticator, useValue: authenticator },
    { provide: ResumeProofs, useValue: new ResumeProofs([]) },
    { provide: TicketStore, useClass: MemoryTicketStore },
    { provide: RevocationLog, useClass: MemoryRevocationLog },
    { provide: REALTIME_AUTH_OPTIONS, useValue: { useExisting: OnePassword } },
  ],
})
class AppModule {}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('SessionGuard on an HTTP route of %s', (_name, adapter) => {
  let app: INestApplication;
  let url: string;
  beforeEach(async () => {
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = module.createNestApplication(adapter(), { logger: false });
    // What express-session does: a `session` on each request, whoever sends it.
    app.use((request: { session?: unknown }, _response: unknown, next: () => void) => {
      if (foreign !== undefined) request.session = foreign;
      next();
    });
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}/me`;
    authenticator.asked = 0;
  });
  afterEach(async () => {
    foreign = undefined;
    await app.close();
  });
  let foreign: unknown;

  const get = async (token?: string): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(
      url,
      token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
    );
    return { status: response.status, body: await response.json() };
  };

  it('lets through whom it knows, and asks once', async () => {
    expect(await get('password')).toEqual({ status: 200, body: { session: alice, user: alice } });
    expect(authenticator.asked).toBe(1);
  });

  it.each([undefined, 'guessed'])('answers 401 in our form: %s', async (token) => {
    expect(await get(token)).toEqual({
      status: 401,
      body: { error: { code: 'unauthenticated', message: 'authentication failed' } },
    });
  });

  it('answers 503 when it can not tell', async () => {
    expect(await get('away')).toMatchObject({ status: 503, body: { error: { code: 'unavailable' } } });
  });

  it("takes nobody else's request.session for its own", async () => {
    foreign = { user: 'mallory', cookie: {} };
    expect(await get()).toMatchObject({ status: 401 });
    expect(await get('password')).toMatchObject({ status: 200, body: { session: foreign, user: alice } });
  });
});

function contextOf(type: string, client: unknown): ExecutionContext {
  const context = new ExecutionContextHost([client, {}]);
  context.setType(type);
  return context;
}

describe('SessionGuard elsewhere', () => {
  const allows = async (type: string, client: unknown): Promise<boolean> => {
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    return module.get(SessionGuard).canActivate(contextOf(type, client));
  };

  it('lets a message of a connection with a standing session through', async () => {
    expect(await allows('ws', { session: alice })).toBe(true);
    expect(await allows('ws', { session: { ...alice, expiresAt: Date.now() + 1_000 } })).toBe(true);
  });

  it.each([
    ['a client without a session', {}],
    ['a client of another kind', { session: { cookie: {} } }],
    ['an empty user', { session: { user: '' } }],
    ['no client', undefined],
    ['a session whose time is over', { session: { ...alice, expiresAt: 1 } }],
  ])('refuses a message of %s', async (_name, client) => {
    expect(await allows('ws', client)).toBe(false);
  });

  it.each(['rpc', 'graphql', 'made-up'])('refuses what it can not judge: %s', async (type) => {
    expect(await allows(type, { session: alice })).toBe(false);
  });
});

describe('a guard for the handshake only', () => {
  class Never {
    readonly verdict = false;
    canActivate(_context: ExecutionContext): boolean {
      return this.verdict;
    }
  }
  @HandshakeOnly()
  class Once extends Never {
    override canActivate(context: ExecutionContext): boolean {
      return super.canActivate(context);
    }
  }

  it('is not asked about messages of a connection that passed the handshake', () => {
    expect(new Once().canActivate(contextOf('ws', { session: alice }))).toBe(true);
  });

  it.each(['http', 'rpc', 'graphql'])('is asked as ever for %s', (type) => {
    expect(new Once().canActivate(contextOf(type, { session: alice }))).toBe(false);
  });

  it('is asked about messages of a client that came in another way', () => {
    expect(new Once().canActivate(contextOf('ws', {}))).toBe(false);
  });

  it('leaves the class it inherits from alone', () => {
    @HandshakeOnly()
    class Inheriting extends Never {}
    expect(new Inheriting().canActivate(contextOf('ws', { session: alice }))).toBe(true);
    expect(new Never().canActivate(contextOf('ws', { session: alice }))).toBe(false);
  });

  it('has a canActivate method', () => {
    class Arrow {
      readonly canActivate = (): boolean => true;
    }
    expect(() => HandshakeOnly()(Arrow)).toThrow('Arrow has no canActivate method');
  });
});
