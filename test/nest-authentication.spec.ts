import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  Module,
  SetMetadata,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import {
  Authenticator,
  type Credential,
  CurrentSession,
  type HandshakeRequest,
  Refusal,
  type Session,
  SessionGuard,
} from '@aerie/realtime';
import { openClient, probeUpgrade } from '@aerie/realtime/testing';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { describe, expect, it } from 'vitest';
import { JWT_SECRET, signJwt, tokenFor } from './support/gateway.js';
import { type HttpPlatform, startNestApp } from './support/nest-app.js';

const SECRET = 'the secret that this application had before Aerie';
const PLATFORMS: readonly HttpPlatform[] = ['express', 'fastify'];
const Public = (): MethodDecorator & ClassDecorator => SetMetadata('public', true);

interface JwtPayload {
  readonly sub: string;
  readonly roles?: readonly string[];
}

@Injectable()
class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: SECRET });
  }

  validate({ sub, roles = [] }: JwtPayload): { id: string; roles: readonly string[] } {
    return { id: sub, roles };
  }
}

/** As in Nest's documentation: a global guard with a way out. */
@Injectable()
class JwtAuthGuard extends AuthGuard('jwt') {
  constructor(private readonly reflector: Reflector) {
    super();
  }

  override canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    return this.reflector.getAllAndOverride<boolean>('public', [context.getHandler(), context.getClass()])
      ? true
      : super.canActivate(context);
  }
}

@Injectable()
class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { user } = context.switchToHttp().getRequest<{ user?: { roles: readonly string[] } }>();
    return user?.roles.includes('admin') === true;
  }
}

@Module({ imports: [PassportModule], providers: [JwtStrategy, JwtAuthGuard], exports: [JwtAuthGuard] })
class AuthModule {}

@WebSocketGateway({ path: '/ws' })
class WhoGateway {
  @SubscribeMessage('who')
  who(@CurrentSession() session: Session): unknown {
    return session;
  }
}

@Controller('me')
class MeController {
  @Get()
  @UseGuards(SessionGuard)
  me(@CurrentSession() session: Session): unknown {
    return { user: session.user };
  }
}

@Controller('open')
class OpenController {
  @Public()
  @Get()
  open(): unknown {
    return { open: true };
  }
}

const fromGuard = {
  fromGuard: JwtAuthGuard,
  session: ({ user }: { user: { id?: unknown; roles?: unknown } }) => ({
    user: user.id,
    claims: { roles: user.roles },
  }),
};
const exp = Math.floor(Date.now() / 1_000) + 600;
const good = signJwt({ sub: 'alice', roles: ['admin'], exp }, { secret: SECRET });
const lowly = signJwt({ sub: 'bob', exp }, { secret: SECRET });
const forged = signJwt({ sub: 'alice', exp }, { secret: 'somebody else, somebody else, somebody' });

describe.each(PLATFORMS)("passport-jwt's guard, unchanged, on %s", (platform) => {
  it('authenticates upgrades, wherever the token is', async () => {
    await using app = await startNestApp(
      { imports: [AuthModule], providers: [WhoGateway] },
      { platform, realtime: { auth: { ...fromGuard, firstMessage: true } } },
    );
    const session = { user: 'alice', claims: { roles: ['admin'] }, expiresAt: exp * 1_000 };
    const header = await openClient(app.ws(), { token: good });
    expect(await header.request('who')).toMatchObject({ data: session });
    const subprotocol = await openClient(app.ws(), { protocols: ['aerie.v1.json', `aerie.bearer.${good}`] });
    expect(await subprotocol.request('who')).toMatchObject({ data: session });
    const first = await openClient(app.ws());
    first.send('$auth', { token: good });
    await first.frame('$welcome');
    for (const client of [header, subprotocol, first]) client.socket.terminate();
    expect(await probeUpgrade(app.ws(), { token: forged })).toMatchObject({ status: 401 });
  });

  it('guards the rest of the application as before; as APP_GUARD it runs at the handshake', async () => {
    @WebSocketGateway({ path: '/ws' })
    @UseGuards(AdminGuard)
    class AdminGateway {}
    const guard = { provide: APP_GUARD, useExisting: JwtAuthGuard };
    await using app = await startNestApp(
      {
        imports: [AuthModule],
        providers: [AdminGateway, guard],
        controllers: [MeController, OpenController],
      },
      { platform, realtime: { auth: fromGuard } },
    );
    const get = (path: string, token?: string): Promise<Response> =>
      fetch(app.url(path), token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
    expect((await get('/open')).status).toBe(200);
    expect((await get('/me')).status).toBe(401);
    expect(await (await get('/me', good)).json()).toEqual({ user: 'alice' });
    expect(await probeUpgrade(app.ws(), { token: good })).toMatchObject({ status: 101 });
    expect(await probeUpgrade(app.ws(), { token: lowly })).toMatchObject({ status: 403 });
    expect(await probeUpgrade(app.ws(), { token: forged })).toMatchObject({ status: 401 });
  });
});

@Injectable()
class Accounts {
  ofKey(key: string): string | undefined {
    return key === 'key-of-alice' ? 'alice' : undefined;
  }
}

@Injectable()
class KeyAuthenticator extends Authenticator {
  constructor(private readonly accounts: Accounts) {
    super();
  }

  async authenticate(
    { headers }: HandshakeRequest,
    credential: Credential | undefined,
  ): Promise<Session | Refusal> {
    const user = this.accounts.ofKey(credential?.value ?? String(headers['x-api-key']));
    return user === undefined ? new Refusal('unauthenticated', 'no such key') : { user, claims: {} };
  }
}

@Module({ providers: [Accounts, KeyAuthenticator] })
class AccountsModule {}

describe.each(PLATFORMS)("an application's own Authenticator on %s", (platform) => {
  it('decides who may come in, with its dependencies', async () => {
    await using app = await startNestApp(
      { imports: [AccountsModule], providers: [WhoGateway], controllers: [MeController] },
      { platform, realtime: { auth: { useExisting: KeyAuthenticator } } },
    );
    const client = await openClient(app.ws(), { headers: { 'x-api-key': 'key-of-alice' } });
    expect(await client.request('who')).toMatchObject({ data: { user: 'alice' } });
    client.socket.terminate();
    expect(await probeUpgrade(app.ws())).toMatchObject({
      status: 401,
      body: { error: { code: 'unauthenticated', message: 'no such key' } },
    });
    const me = await fetch(app.url('/me'), { headers: { 'x-api-key': 'key-of-alice' } });
    expect(await me.json()).toEqual({ user: 'alice' });
  });
});

describe('the JwtService of the application', () => {
  it('is the one that checks tokens: its secret is enough', async () => {
    let verified = 0;
    class CountingJwtService extends JwtService {
      override verifyAsync<Payload extends object>(
        ...args: Parameters<JwtService['verifyAsync']>
      ): Promise<Payload> {
        verified += 1;
        return super.verifyAsync<Payload>(...args);
      }
    }
    const jwt = { provide: JwtService, useValue: new CountingJwtService({ secret: JWT_SECRET }) };
    await using app = await startNestApp({ providers: [WhoGateway, jwt] });
    await app.connect('alice');
    expect(verified).toBeGreaterThan(0);
  });

  it('signs tokens that open connections, through JwtModule', async () => {
    const imports = [JwtModule.register({ secret: JWT_SECRET, signOptions: { expiresIn: '1h' } })];
    await using app = await startNestApp({ imports, providers: [WhoGateway] });
    const token = app.get(JwtService).sign({ sub: 'alice' });
    const client = await openClient(app.ws(), { token });
    expect(await client.request('who')).toMatchObject({ data: { user: 'alice' } });
    client.socket.terminate();
  });
});

describe('SessionGuard on a controller', () => {
  it.each(PLATFORMS)('lets in whom Aerie knows, and answers as Aerie does: %s', async (platform) => {
    await using app = await startNestApp(
      { providers: [WhoGateway], controllers: [MeController] },
      { platform },
    );
    const headers = { authorization: `Bearer ${tokenFor('alice')}` };
    expect(await (await fetch(app.url('/me'), { headers })).json()).toEqual({ user: 'alice' });
    const refused = await fetch(app.url('/me'));
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ error: { code: 'unauthenticated' } });
  });
});
