import { randomUUID } from 'node:crypto';
import { isUserId } from '@aerie/protocol';
import { Refusal, type Route, type RouteOutcome } from '@aerie/realtime';
import type { JwtService } from '@nestjs/jwt';
import { z } from 'zod';
import { foreignHost } from './foreign-host.js';

const LIFE_SECONDS = 3_600;

const DevTokenRequest = z.strictObject({
  user: z.string().refine(isUserId, 'must be 1-128 bytes without control characters'),
  /** Shorter lives are for trying out expiry and query tokens, which may live 60 s. */
  expiresInSeconds: z.int().min(1).max(LIFE_SECONDS).default(LIFE_SECONDS),
});

export interface DevTokenDeps {
  /** Signs with the gateway's own HS256 secret. */
  readonly jwt: JwtService;
  /** What the gateway demands of tokens, if anything. */
  readonly audience?: string;
  readonly issuer?: string;
}

/** `POST /dev/tokens {"user"}`: a token for whoever asks to be anybody. For dev mode only. */
export function devTokensRoute(deps: DevTokenDeps): Route {
  return {
    method: 'POST',
    path: '/dev/tokens',
    handle: async ({ request, json }) => {
      const body = foreignHost(request) ?? (await json());
      return body instanceof Refusal ? body : tokenFor(body, deps);
    },
  };
}

async function tokenFor(body: unknown, { jwt, audience, issuer }: DevTokenDeps): Promise<RouteOutcome> {
  const parsed = DevTokenRequest.safeParse(body);
  if (!parsed.success) return invalid(parsed.error);
  const { user, expiresInSeconds } = parsed.data;
  const token = await jwt.signAsync(
    {},
    {
      algorithm: 'HS256',
      subject: user,
      jwtid: randomUUID(),
      expiresIn: expiresInSeconds,
      ...(audience !== undefined && { audience }),
      ...(issuer !== undefined && { issuer }),
    },
  );
  return { body: { token, user, expiresInMs: expiresInSeconds * 1_000 } };
}

function invalid({ issues }: z.ZodError): RouteOutcome {
  const details = issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  return { status: 400, body: { error: { code: 'invalid', message: 'the request is not valid', details } } };
}
