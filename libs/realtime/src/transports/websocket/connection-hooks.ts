import { Logger } from '@nestjs/common';
import { CLOSE } from '@aerie/protocol';
import { ClientFacade } from '../client-facade.js';

type Hook = (client: unknown, ...rest: unknown[]) => unknown;

const wrapped = new WeakSet<object>();

/**
 * Makes a gateway's lifecycle hooks safe: Nest awaits neither, and a throw in one ends the process. A failing
 * `handleConnection` closes that client with 1011; its messages wait until an asynchronous one has ended.
 */
export function makeHooksSafe(gateway: object): void {
  if (wrapped.has(gateway)) return;
  wrapped.add(gateway);
  const logger = new Logger(gateway.constructor.name);
  wrap(gateway, 'handleConnection', (client, run) => {
    const done = settle(run);
    if (client instanceof ClientFacade) client.prepareWith(done);
    done.catch((error: unknown) => {
      logger.error('handleConnection failed', error instanceof Error ? error.stack : undefined);
      if (client instanceof ClientFacade) client.connection.close(CLOSE.serverFault);
    });
  });
  wrap(gateway, 'handleDisconnect', (_client, run) => {
    settle(run).catch((error: unknown) =>
      logger.error('handleDisconnect failed', error instanceof Error ? error.stack : undefined),
    );
  });
}

function wrap(gateway: object, name: string, around: (client: unknown, run: () => unknown) => void): void {
  const own: unknown = Reflect.get(gateway, name);
  if (typeof own !== 'function') return;
  const hook: Hook = (client, ...rest) =>
    around(client, (): unknown => Reflect.apply(own, gateway, [client, ...rest]));
  for (const key of Reflect.getMetadataKeys(own))
    Reflect.defineMetadata(key, Reflect.getMetadata(key, own), hook);
  Object.defineProperty(gateway, name, { value: hook, configurable: true, writable: true });
}

async function settle(run: () => unknown): Promise<void> {
  await run();
}
