import {
  ForbiddenException,
  HttpException,
  Injectable,
  Logger,
  Scope,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { Test, type TestingModule } from '@nestjs/testing';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { of, throwError, type Observable } from 'rxjs';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import type { Session } from '../connections/session.js';
import {
  type AuthOptions,
  type GuardedRequest,
  type SessionLike,
  REALTIME_AUTH_OPTIONS,
} from './auth-options.js';
import { Authenticator, type HandshakeRequest } from './authenticator.js';
import { ConfiguredAuthenticator } from './configured-authenticator.js';
import { exposeBearer } from './credentials.js';
import { Refusal } from '../refusal.js';

const secret = 'the-secret-that-passport-knows-32-bytes';
const NOW = Math.floor(Date.now() / 1000);

@Injectable()
class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: secret });
  }

  validate({ sub, broken }: { sub: string; broken?: boolean }): { id: string } {
    if (broken) throw new Error('the database is down');
    return { id: sub };
  }
}

@Injectable()
class JwtAuthGuard extends AuthGuard('jwt') {}

const requests = new ReceivedRequests();
afterAll(() => requests.close());

let module: TestingModule;
afterEach(() => module.close());

async function configured(
  options: AuthOptions,
  providers: readonly Type[] = [],
): Promise<ConfiguredAuthenticator> {
  module = await Test.createTestingModule({
    imports: [PassportModule, JwtModule.register({ secret })],
    providers: [
      JwtStrategy,
      ...providers,
      ConfiguredAuthenticator,
      { provide: REALTIME_AUTH_OPTIONS, useValue: options },
    ],
  }).compile();
  await module.init();
  return module.get(ConfiguredAuthenticator);
}

function tokenOf(claims: object): Promise<string> {
  return new JwtService().signAsync(claims, { secret });
}

/** As the handshake does it: a bearer from anywhere is on the header when the guard looks. */
async function outcomeOf(authenticator: Authenticator, token?: string): Promise<Session | Refusal> {
  const request = (await requests.receive('/ws')) as HandshakeRequest;
  const credential = token === undefined ? undefined : ({ source: 'query', value: token } as const);
  if (credential) exposeBearer(request, credential);
  return authenticator.authenticate(request, credential);
}

const session = ({ user }: GuardedRequest): SessionLike => ({ user: user['id'] });

describe.each([
  ['AuthGuard("jwt")', AuthGuard('jwt'), []],
  ['a class of the application that is no provider', JwtAuthGuard, []],
  ['a provider of the application', JwtAuthGuard, [JwtAuthGuard]],
])('authentication from passport-jwt, unchanged: %s', (_name, fromGuard, providers) => {
  it('knows whom the guard lets in, for as long as the token lives', async () => {
    const authenticator = await configured({ fromGuard, session }, providers);
    const token = await tokenOf({ sub: 'alice', iat: NOW - 5, exp: NOW + 600, jti: 'j-1' });
    expect(await outcomeOf(authenticator, token)).toEqual({
      user: 'alice',
      claims: {},
      expiresAt: (NOW + 600) * 1000,
      issuedAt: (NOW - 5) * 1000,
      jti: 'j-1',
    });
  });

  it('answers 401 without a token and for bad ones', async () => {
    const authenticator = await configured({ fromGuard, session }, providers);
    const expired = await tokenOf({ sub: 'alice', exp: NOW - 60 });
    const forged = await new JwtService().signAsync(
      { sub: 'alice', exp: NOW + 60 },
      { secret: 'x'.repeat(32) },
    );
    for (const token of [undefined, expired, forged, 'garbage'])
      expect(await outcomeOf(authenticator, token)).toMatchObject({
        status: 401,
        message: 'authentication failed',
        reason: 'guard',
      });
  });

  it('throws what its strategy throws: that is no 401', async () => {
    const authenticator = await configured({ fromGuard, session }, providers);
    const token = await tokenOf({ sub: 'alice', broken: true, exp: NOW + 60 });
    await expect(outcomeOf(authenticator, token)).rejects.toThrow('the database is down');
  });
});

describe('a session from a guard', () => {
  const fromGuard = AuthGuard('jwt');
  const token = tokenOf({ sub: 'alice', exp: NOW + 600, session_exp: NOW + 9_000, iat: NOW, jti: 'j-1' });

  it('expires with session_exp where the token has one', async () => {
    expect(await outcomeOf(await configured({ fromGuard, session }), await token)).toMatchObject({
      expiresAt: (NOW + 9_000) * 1000,
    });
  });

  it('is what the application says, where it says something', async () => {
    const said = { tenant: 'acme', claims: { role: 'admin' }, expiresAt: 5, issuedAt: 6, jti: 'own' };
    const authenticator = await configured({ fromGuard, session: async () => ({ user: 7, ...said }) });
    expect(await outcomeOf(authenticator, await token)).toEqual({ user: '7', ...said });
  });

  it.each([undefined, null, '', 'a\nb', {}, ['alice'], 'x'.repeat(129)])(
    'needs a user: %j is a fault',
    async (user) => {
      const authenticator = await configured({ fromGuard, session: () => ({ user }) });
      await expect(outcomeOf(authenticator, await token)).rejects.toThrow('no user');
    },
  );
});

type Answer = boolean | Promise<boolean> | Observable<boolean>;

function guardOf(answer: (context: ExecutionContext) => Answer): Type<CanActivate> {
  @Injectable()
  class Guard implements CanActivate {
    canActivate(context: ExecutionContext): Answer {
      return answer(context);
    }
  }
  return Guard;
}

function alice(): SessionLike {
  return { user: 'alice' };
}

describe('the answer of a guard', () => {
  const answerOf = async (guard: Type<CanActivate>): Promise<Session | Refusal> =>
    outcomeOf(await configured({ fromGuard: guard, session: alice }));

  it.each([
    ['true', () => true],
    ['a promise', () => Promise.resolve(true)],
    ['an observable', () => of(true)],
  ])('may be %s', async (_name, answer) => {
    expect(await answerOf(guardOf(answer))).toEqual({ user: 'alice', claims: {} });
  });

  it.each<[string, () => Answer, number]>([
    ['false', () => false, 403],
    ['a promise of false', () => Promise.resolve(false), 403],
    ['an observable of false', () => of(true, false), 403],
    ['a ForbiddenException', () => Promise.reject(new ForbiddenException('only on Tuesdays')), 403],
    ['an UnauthorizedException', () => throwError(() => new UnauthorizedException('token of bob')), 401],
    ['another 401', () => Promise.reject(new HttpException('x', 401)), 401],
  ])('refuses by %s', async (_name, answer, status) => {
    const outcome = await answerOf(guardOf(answer));
    expect(outcome).toMatchObject({ status, reason: 'guard' });
    expect(outcome).not.toMatchObject({ message: expect.stringMatching(/Tuesday|bob/) as string });
  });

  it.each([
    ['an error', new Error('boom')],
    ['another HttpException', new HttpException('slow down', 429)],
  ])('is a fault where it throws %s', async (_name, fault) => {
    await expect(
      answerOf(
        guardOf(() => {
          throw fault;
        }),
      ),
    ).rejects.toBe(fault);
  });

  it('is asked in an HTTP context, with a response that goes nowhere', async () => {
    const seen: unknown[] = [];
    await answerOf(
      guardOf((context) => {
        const http = context.switchToHttp();
        const response = http.getResponse<{
          setHeader(name: string, value: string): void;
          getHeader(name: string): unknown;
        }>();
        response.setHeader('Set-Cookie', 'a=b');
        seen.push(
          context.getType(),
          http.getRequest<HandshakeRequest>().url,
          response.getHeader('set-cookie'),
        );
        seen.push(Reflect.getMetadataKeys(context.getHandler()));
        return true;
      }),
    );
    expect(seen).toEqual(['http', '/ws', 'a=b', []]);
  });

  it.each([Scope.REQUEST, Scope.TRANSIENT])(
    'can not come from a guard of scope %s: boot is refused',
    async (scope) => {
      @Injectable({ scope })
      class Scoped implements CanActivate {
        canActivate(): boolean {
          return true;
        }
      }
      await expect(configured({ fromGuard: Scoped, session: alice })).rejects.toThrow('Scoped');
      await expect(configured({ fromGuard: Scoped, session: alice }, [Scoped])).rejects.toThrow('Scoped');
    },
  );
});

describe('the configured authenticator', () => {
  @Injectable()
  class Mine extends Authenticator {
    override async authenticate(): Promise<Session> {
      return { user: 'mine', claims: {} };
    }
  }

  it('is a provider of the application', async () => {
    expect(await outcomeOf(await configured({ useExisting: Mine }, [Mine]))).toMatchObject({ user: 'mine' });
  });

  it('does not boot where that provider is missing', async () => {
    await expect(configured({ useExisting: Mine })).rejects.toThrow();
  });

  it('verifies JWTs itself otherwise, and only with its own options', async () => {
    const token = await tokenOf({ sub: 'alice', iat: NOW, exp: NOW + 60 });
    expect(await outcomeOf(await configured({ jwt: { secret } }), token)).toMatchObject({ user: 'alice' });
    expect(await outcomeOf(await configured({ jwt: {} }), token)).toMatchObject({
      status: 401,
      reason: 'algorithm',
    });
  });

  it('warns where no token can be good: the variable of the secret is not set, say', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await configured({ jwt: { secret } });
    await configured({ useExisting: Mine }, [Mine]);
    expect(warn).not.toHaveBeenCalled();
    await configured({ jwt: { secret: undefined } });
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/auth\.jwt .*no token/));
    warn.mockRestore();
  });
});
