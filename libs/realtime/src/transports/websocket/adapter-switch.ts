import type { Server } from 'node:http';
import { Logger, type WebSocketAdapter, type WsMessageHandler } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import type { Observable } from 'rxjs';
import { PathPattern } from '../../handshake/path-pattern.js';
import { ClientFacade } from '../client-facade.js';
import type { RealtimeWsAdapter } from './realtime-ws.adapter.js';

export interface AdapterSwitchOptions {
  readonly aerie: RealtimeWsAdapter;
  /** Gateway paths that are Aerie's, with all below them, where another adapter serves the rest. */
  readonly paths: readonly string[];
  /** The adapter that Nest would have taken by itself, where its package is installed. */
  readonly fallback: ((server: Server) => WebSocketAdapter) | undefined;
  readonly httpServer: () => Server;
}

type Callback = (...args: unknown[]) => void;

/**
 * Lets two WebSocket adapters serve one application: gateways on Aerie's paths are Aerie's, the rest stays with the adapter
 * that had them. Without another adapter all gateways are Aerie's.
 */
export class AdapterSwitch implements WebSocketAdapter {
  readonly #logger = new Logger('AerieAdapter');
  readonly #options: AdapterSwitchOptions;
  readonly #paths: readonly string[];
  readonly #foreign = new Set<object>();
  #other: WebSocketAdapter | undefined;
  #fallback: AdapterSwitchOptions['fallback'];
  #forceClose = false;

  constructor(options: AdapterSwitchOptions) {
    this.#options = options;
    this.#paths = options.paths.map((path) => new PathPattern(path).path);
    this.#fallback = options.fallback;
  }

  /**
   * Takes the application's adapter slot. An adapter that is set later, or was before, goes beside Aerie's.
   * @throws Error where Aerie has it already.
   */
  install(config: ApplicationConfig): void {
    const before: unknown = config.getIoAdapter();
    if (before instanceof AdapterSwitch)
      throw new Error('RealtimeModule is in this application twice: import one forRoot() or forRootAsync()');
    config.setIoAdapter(this);
    if (isAdapter(before)) this.#adopt(before);
    config.setIoAdapter = (adapter: WebSocketAdapter) => this.#adopt(adapter);
  }

  set forceCloseConnections(force: boolean) {
    this.#forceClose = force;
    this.#tellForceClose();
  }

  create(port: number, options: { path?: string; namespace?: unknown } = {}): unknown {
    const other = this.#isOurs(options) ? undefined : this.#otherAdapter();
    if (other === undefined) return this.#options.aerie.create(port, options);
    if (options.path !== undefined)
      this.#logger.log(
        `${other.constructor.name} serves the gateway at ${options.path}; name it in \`paths\` for Aerie to`,
      );
    const server: unknown = other.create(port, options);
    if (typeof server === 'object' && server !== null) this.#foreign.add(server);
    return server;
  }

  bindClientConnect(server: object, callback: Callback): void {
    this.#ownerOf(server).bindClientConnect(server, callback);
  }

  bindClientDisconnect(client: object, callback: Callback): void {
    this.#adapterOf(client).bindClientDisconnect?.(client, callback);
  }

  bindMessageHandlers(
    client: object,
    handlers: WsMessageHandler[],
    transform: (data: unknown) => Observable<unknown>,
  ): void {
    this.#adapterOf(client).bindMessageHandlers(client, handlers, transform);
  }

  close(server: object): unknown {
    return this.#ownerOf(server).close(server);
  }

  async dispose(): Promise<void> {
    await this.#options.aerie.dispose();
    if (this.#other !== undefined && 'dispose' in this.#other && typeof this.#other.dispose === 'function')
      await this.#other.dispose();
    this.#foreign.clear();
  }

  #adopt(adapter: WebSocketAdapter): void {
    if (adapter === this || adapter === this.#options.aerie) return;
    // Nest's own ws adapter is what Aerie stands in for: then it has every gateway.
    const isNests = adapter.constructor === WsAdapter;
    if (isNests) this.#logger.log("Aerie serves the gateways of Nest's WsAdapter");
    this.#fallback = undefined;
    this.#other = isNests ? undefined : adapter;
    this.#tellForceClose();
  }

  #isOurs({ path, namespace }: { path?: string; namespace?: unknown }): boolean {
    if (namespace !== undefined || path === undefined) return false;
    const own = new PathPattern(path).path;
    return this.#paths.some((ours) => own === ours || own.startsWith(`${ours}/`));
  }

  #otherAdapter(): WebSocketAdapter | undefined {
    if (this.#other === undefined && this.#fallback !== undefined) {
      this.#other = this.#fallback(this.#options.httpServer());
      this.#tellForceClose();
    }
    return this.#other;
  }

  #adapterOf(client: object): WebSocketAdapter {
    return client instanceof ClientFacade ? this.#options.aerie : (this.#other ?? this.#options.aerie);
  }

  #ownerOf(server: object): WebSocketAdapter {
    return this.#foreign.has(server) ? (this.#other ?? this.#options.aerie) : this.#options.aerie;
  }

  #tellForceClose(): void {
    if (this.#other !== undefined && 'forceCloseConnections' in this.#other)
      this.#other.forceCloseConnections = this.#forceClose;
  }
}

function isAdapter(value: unknown): value is WebSocketAdapter {
  return typeof value === 'object' && value !== null && 'bindMessageHandlers' in value;
}
