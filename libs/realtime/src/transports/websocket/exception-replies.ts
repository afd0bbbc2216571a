import { BaseWsExceptionFilter } from '@nestjs/websockets';
import { ClientFacade } from '../client-facade.js';

let installed = false;

/**
 * Gives our clients coded error replies where Nest's default filter would send `exception` frames that say "Internal server
 * error" for any HttpException and echo the client's payload. It is the end of every filter chain, static or not, and offers
 * no other way in; clients of other adapters pass through untouched.
 */
export function installExceptionReplies(): void {
  if (installed) return;
  installed = true;
  const vanilla = BaseWsExceptionFilter.prototype.handleError;
  BaseWsExceptionFilter.prototype.handleError = function handleError(
    client: object,
    exception: unknown,
    cause,
  ) {
    if (client instanceof ClientFacade) client.fail(exception);
    else vanilla.call(this, client, exception, cause);
  };
}
