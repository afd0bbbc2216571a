import { JsonWebTokenError, NotBeforeError, TokenExpiredError, type JwtService } from '@nestjs/jwt';
import { Refusal } from '../refusal.js';
import { isJsonObject, type JsonObject } from './decoded-jwt.js';
import { unauthenticated } from './refusals.js';
import type { TokenVerifier } from './token-verifier.js';

const MIN_SECRET_BYTES = 32;

export interface SecretOptions {
  readonly secret: string;
  readonly previousSecret?: string | undefined;
  readonly leewaySeconds: number;
}

/** HS256 and nothing else, through the application's `JwtService`. */
export class SecretVerifier implements TokenVerifier {
  readonly algorithms = ['HS256'] as const;
  readonly #jwt: JwtService;
  readonly #options: SecretOptions;

  constructor(jwt: JwtService, options: SecretOptions) {
    assertNotEmpty(options);
    this.#jwt = jwt;
    this.#options = options;
  }

  async verify(token: string): Promise<JsonObject | Refusal> {
    const { secret, previousSecret } = this.#options;
    const outcome = await this.#verifyWith(secret, token);
    const mayBeOlder = outcome instanceof Refusal && outcome.reason === 'bad_signature';
    return mayBeOlder && previousSecret !== undefined ? this.#verifyWith(previousSecret, token) : outcome;
  }

  async #verifyWith(secret: string, token: string): Promise<JsonObject | Refusal> {
    try {
      const claims: unknown = await this.#jwt.verifyAsync(token, {
        secret,
        algorithms: [...this.algorithms],
        clockTolerance: this.#options.leewaySeconds,
        // The application's own defaults must not loosen what is checked here.
        ignoreExpiration: false,
        ignoreNotBefore: false,
        complete: false,
      });
      return isJsonObject(claims) ? claims : unauthenticated('malformed_token');
    } catch (error) {
      return refusalOf(error);
    }
  }
}

/**
 * Refuses an empty secret always, and in production one under 32 bytes: HMAC is as strong as its key.
 * @throws TypeError, which never contains the secret.
 */
export function assertStrongSecret(secret: string, production: boolean): void {
  const bytes = Buffer.byteLength(secret);
  if (bytes === 0) throw new TypeError('the JWT secret is empty');
  if (production && bytes < MIN_SECRET_BYTES)
    throw new TypeError(`the JWT secret has ${bytes} bytes; production needs at least ${MIN_SECRET_BYTES}`);
}

// With an empty secret JwtService would quietly fall back to the application's own.
function assertNotEmpty({ secret, previousSecret }: SecretOptions): void {
  assertStrongSecret(secret, false);
  if (previousSecret !== undefined) assertStrongSecret(previousSecret, false);
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof TokenExpiredError) return unauthenticated('expired');
  if (error instanceof NotBeforeError) return unauthenticated('not_yet_valid');
  if (error instanceof SyntaxError) return unauthenticated('malformed_token');
  if (!(error instanceof JsonWebTokenError)) throw error;
  return unauthenticated(error.message === 'invalid signature' ? 'bad_signature' : 'invalid_token');
}
