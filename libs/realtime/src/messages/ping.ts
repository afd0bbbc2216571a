import { SYSTEM } from '@aerie/protocol';
import type { SystemHandlers } from './message-handlers.js';

/** `$ping` -> `$pong {serverTime}` (epoch milliseconds): for browsers, which can't send or see the transport's own pings. */
export function registerPing(handlers: SystemHandlers): void {
  handlers.set(SYSTEM.ping, () => ({ event: SYSTEM.pong, data: { serverTime: Date.now() } }));
}
