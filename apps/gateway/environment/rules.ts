import { flagOf } from './field.js';
import type { Given, Mode } from './mode.js';
import { isLoopback } from './network.js';
import type { EnvName } from './schema.js';

interface Rule {
  readonly name: EnvName;
  readonly message: string;
  readonly broken: (given: Given, mode: Mode) => boolean;
}

/** What must hold between variables. They look at what was set, so that they speak up even where a value is faulty. */
const RULES: readonly Rule[] = [
  {
    name: 'AUTH_JWT_SECRET',
    message: 'is missing: set it, or AUTH_JWKS_URL (outside production DEV=1 generates one)',
    broken: (given, { dev }) => !dev && !given['AUTH_JWT_SECRET'] && !given['AUTH_JWKS_URL'],
  },
  {
    name: 'AUTH_JWT_PREVIOUS_SECRET',
    message: 'needs AUTH_JWT_SECRET',
    broken: (given) => isSet(given, 'AUTH_JWT_PREVIOUS_SECRET') && !given['AUTH_JWT_SECRET'],
  },
  {
    name: 'DEV',
    message: 'opens surfaces that production must not have: unset it, or NODE_ENV=production',
    broken: (given, { production }) => production && flagOf(given['DEV']) === true,
  },
  {
    name: 'HOST',
    message:
      'must be a loopback address while nothing is configured: set AUTH_JWT_SECRET, or DEV=1 to open dev mode to others',
    broken: (given, { unconfigured }) =>
      unconfigured && given['HOST'] !== undefined && !isLoopback(given['HOST']),
  },
  {
    name: 'INTERNAL_PORT',
    message: 'must be set where PORT is 65535',
    broken: (given) => Number(given['PORT']) === 65_535 && !given['INTERNAL_PORT'],
  },
  {
    name: 'INTERNAL_PORT',
    message: 'must differ from PORT',
    broken: (given) => portOf(given) !== 0 && Number(given['INTERNAL_PORT']) === portOf(given),
  },
  {
    name: 'ADMIN_PORT',
    message: 'must differ from PORT and INTERNAL_PORT',
    broken: (given) =>
      isSet(given, 'ADMIN_PORT') &&
      [portOf(given), internalPortOf(given)].includes(Number(given['ADMIN_PORT'])),
  },
  {
    name: 'GRPC_PORT',
    message: 'must differ from PORT, INTERNAL_PORT and ADMIN_PORT',
    broken: (given) =>
      isSet(given, 'GRPC_PORT') &&
      [portOf(given), internalPortOf(given), Number(given['ADMIN_PORT'])].includes(
        Number(given['GRPC_PORT']),
      ),
  },
  {
    name: 'REQUIRE_SHARED_BACKPLANE',
    message: 'needs REDIS_URL',
    broken: (given) => flagOf(given['REQUIRE_SHARED_BACKPLANE']) === true && !given['REDIS_URL'],
  },
  {
    name: 'HOOKS_SECRET',
    message: 'is missing: HOOKS_URL needs it',
    broken: (given) => isSet(given, 'HOOKS_URL') && !given['HOOKS_SECRET'],
  },
  {
    name: 'HOOKS_URL',
    message: 'is missing: HOOKS_SECRET is set',
    broken: (given) => isSet(given, 'HOOKS_SECRET') && !given['HOOKS_URL'],
  },
  {
    name: 'HOOKS_URL',
    message: 'is missing: HOOKS_EVENTS is set',
    broken: (given) => isSet(given, 'HOOKS_EVENTS') && !given['HOOKS_URL'],
  },
];

/** The rules between variables that do not hold. */
export function brokenRules(given: Given, mode: Mode): { name: EnvName; message: string }[] {
  return RULES.filter(({ broken }) => broken(given, mode)).map(({ name, message }) => ({ name, message }));
}

export const DEFAULT_PORT = 3_000;

function portOf(given: Given): number {
  return Number(given['PORT'] ?? DEFAULT_PORT);
}

function internalPortOf(given: Given): number {
  return Number(given['INTERNAL_PORT'] ?? portOf(given) + 1);
}

function isSet(given: Given, name: EnvName): boolean {
  return given[name] !== undefined;
}
