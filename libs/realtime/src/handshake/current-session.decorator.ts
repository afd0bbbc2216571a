import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Session } from '../connections/session.js';
import { sessionOf } from './request-identity.js';
import { sessionOfClient } from './session-of-client.js';

/** The session behind a message, a channel method, or an HTTP request that `SessionGuard` let pass. */
export const CurrentSession = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Session | undefined => {
    const [source] = context.getArgs<[object]>();
    return context.getType() === 'http' ? sessionOf(source) : sessionOfClient(source);
  },
);
