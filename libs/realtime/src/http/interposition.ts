import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Takes requests off the platform: true where it did. `alone`: nobody else listens, what isn't taken is nobody's. */
export interface Interceptor {
  request(exchange: Exchange, alone: boolean): boolean;
  upgrade(upgrade: Upgrade, alone: boolean): boolean;
  /** Whether an upgrade to this path is ours. */
  ownsUpgrade(request: IncomingMessage): boolean;
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/**
 * Puts an interceptor before every listener of one HTTP server, by an own `emit` on that instance; the returned function
 * takes it off. A listener of its own would not do: each `ws` server bound to another path aborts upgrades that it
 * doesn't know, engine.io ends them after a second, Nest's WsAdapter destroys them.
 */
export function interpose(server: Server, interceptor: Interceptor): () => void {
  const uncover = coverEmit(server, interceptor);
  const release = receiveUpgrades(server, interceptor);
  return () => {
    release();
    uncover();
  };
}

function coverEmit(server: Server, interceptor: Interceptor): () => void {
  const own = Object.getOwnPropertyDescriptor(server, 'emit');
  const emitter: EventEmitter = server;
  const covered: Emit = emitter.emit;
  let active = true;
  const emit: Emit = (event, ...args) => {
    if (active && event === 'request' && tookRequest(interceptor, args, isAlone(server, event))) return true;
    if (active && event === 'upgrade' && tookUpgrade(interceptor, args, isAlone(server, event))) return true;
    return covered.call(server, event, ...args);
  };
  server.emit = emit;
  return () => {
    active = false;
    // Whoever wrapped it later still calls ours, which from now on only passes on.
    if (server.emit !== emit) return;
    if (own) Object.defineProperty(server, 'emit', own);
    else Reflect.deleteProperty(server, 'emit');
  };
}

function tookRequest(interceptor: Interceptor, args: readonly unknown[], alone: boolean): boolean {
  const [request, response] = args as [IncomingMessage, ServerResponse];
  return interceptor.request({ request, response }, alone);
}

function tookUpgrade(interceptor: Interceptor, args: readonly unknown[], alone: boolean): boolean {
  const [request, socket, head] = args as [IncomingMessage, Duplex, Buffer];
  return interceptor.upgrade({ request, socket, head }, alone);
}

const listening = (): void => {};

function isAlone(server: Server, event: 'request' | 'upgrade'): boolean {
  return server.listeners(event).every((listener) => listener === listening);
}

/**
 * Makes Node hand upgrades over, which it does only while somebody listens. Where it can be asked per request (24.9 and
 * later) our listener counts only for our paths and for WebSockets, so that `Upgrade: h2c`, which Java's HttpClient sends
 * with each first request, stays an ordinary request.
 */
function receiveUpgrades(server: Server, interceptor: Interceptor): () => void {
  server.on('upgrade', listening);
  const restore = askPerRequest(server, interceptor);
  return () => {
    restore();
    server.off('upgrade', listening);
  };
}

function askPerRequest(server: Server, interceptor: Interceptor): () => void {
  if (!('shouldUpgradeCallback' in server) || typeof server.shouldUpgradeCallback !== 'function')
    return () => {};
  const asked = server.shouldUpgradeCallback;
  const ask = (request: IncomingMessage): boolean =>
    interceptor.ownsUpgrade(request) ||
    isWebSocket(request) ||
    (!isAlone(server, 'upgrade') && asked.call(server, request) === true);
  server.shouldUpgradeCallback = ask;
  return () => {
    if (server.shouldUpgradeCallback === ask) server.shouldUpgradeCallback = asked;
  };
}

function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}
