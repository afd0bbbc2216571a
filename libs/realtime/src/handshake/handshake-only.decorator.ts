import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import { sessionOfClient } from './session-of-client.js';

/**
 * Exempts a guard from messages: it runs at the handshake, and a connection that passed it there is not asked again. A
 * client that came in another way (a socket.io gateway of the same application, say) did not pass it and is asked.
 * @throws TypeError if the class has no `canActivate` method.
 */
export function HandshakeOnly(): (guard: Type<CanActivate>) => void {
  return (guard) => {
    const prototype = guard.prototype as Partial<CanActivate>;
    const { canActivate } = prototype;
    if (!canActivate) throw new TypeError(`${guard.name} has no canActivate method to decorate`);
    prototype.canActivate = function (this: CanActivate, context: ExecutionContext) {
      return passedAtHandshake(context) || canActivate.call(this, context);
    };
  };
}

function passedAtHandshake(context: ExecutionContext): boolean {
  return (
    context.getType() === 'ws' && sessionOfClient(context.switchToWs().getClient<unknown>()) !== undefined
  );
}
