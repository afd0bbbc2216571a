import { Inject, Injectable, Logger, type CanActivate, type OnModuleInit, type Type } from '@nestjs/common';
import { SCOPE_OPTIONS_METADATA } from '@nestjs/common/constants.js';
import { ModuleRef } from '@nestjs/core';
import { UnknownElementException } from '@nestjs/core/errors/exceptions/unknown-element.exception.js';
import { JwtService } from '@nestjs/jwt';
import type { Session } from '../connections/session.js';
import type { Refusal } from '../refusal.js';
import { type AuthOptions, type JwtOptions, REALTIME_AUTH_OPTIONS } from './auth-options.js';
import { Authenticator, type Credential, type HandshakeRequest } from './authenticator.js';
import { GuardAuthenticator } from './guard-authenticator.js';
import { JwtAuthenticator } from './jwt-authenticator.js';

/** The `Authenticator` that the options ask for. It looks the application's providers up when all of them exist. */
@Injectable()
export class ConfiguredAuthenticator extends Authenticator implements OnModuleInit {
  #chosen: Authenticator | undefined;

  constructor(
    @Inject(REALTIME_AUTH_OPTIONS) private readonly options: AuthOptions,
    private readonly moduleRef: ModuleRef,
  ) {
    super();
  }

  /** @throws Error where the options name something that can't authenticate. */
  async onModuleInit(): Promise<void> {
    this.#chosen = await this.#choose();
  }

  async authenticate(
    request: HandshakeRequest,
    credential: Credential | undefined,
  ): Promise<Session | Refusal> {
    if (!this.#chosen) throw new Error('authentication is used before the application is initialised');
    return this.#chosen.authenticate(request, credential);
  }

  async #choose(): Promise<Authenticator> {
    const { options, moduleRef } = this;
    if ('useExisting' in options) return moduleRef.get<Authenticator>(options.useExisting, { strict: false });
    if ('fromGuard' in options) return new GuardAuthenticator(await this.#guard(options.fromGuard), options);
    warnOfNoKey(options.jwt);
    return new JwtAuthenticator(this.#provided(JwtService) ?? new JwtService(), options.jwt);
  }

  /** The application's instance, or one made for the purpose, as Nest does for a guard in `@UseGuards`. */
  async #guard(type: Type<CanActivate>): Promise<CanActivate> {
    if (Reflect.getMetadata(SCOPE_OPTIONS_METADATA, type)?.scope)
      throw new Error(
        `auth.fromGuard: ${type.name} is request-scoped, which a handshake can't run. Make it a singleton.`,
      );
    return this.#provided(type) ?? (await this.moduleRef.create(type));
  }

  #provided<Provided>(type: Type<Provided>): Provided | undefined {
    try {
      return this.moduleRef.get(type, { strict: false });
    } catch (error) {
      if (error instanceof UnknownElementException) return undefined;
      throw error;
    }
  }
}

// Otherwise an environment variable that is not set looks like a bad token, to everyone.
function warnOfNoKey({ secret, jwksUrl }: JwtOptions): void {
  if (secret === undefined && jwksUrl === undefined)
    new Logger('AerieHandshake').warn('auth.jwt has neither a secret nor a jwksUrl: no token is good');
}
