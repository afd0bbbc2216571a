import type { Admission } from '../connections/admission.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import type { NodeDirectory, NodeInfo } from './node-directory.js';

/** DI token of this node's name. */
export const NODE_NAME = Symbol('aerie:node');

const RENEW_MS = 3_000;

export interface NodePresenceOptions {
  readonly node: string;
  readonly directory: NodeDirectory;
  readonly registry: ConnectionRegistry;
  readonly admission: Admission;
}

/** Keeps this node's entry in the directory of nodes alive. */
export class NodePresence {
  readonly node: string;
  readonly #options: NodePresenceOptions;
  readonly #startedAt = Date.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: NodePresenceOptions) {
    this.node = options.node;
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#announce();
    this.#timer = setInterval(() => void this.#announce(), RENEW_MS).unref();
  }

  /** The live nodes, this one as it is now. */
  async nodes(): Promise<readonly NodeInfo[]> {
    const others = (await this.#options.directory.list()).filter(({ node }) => node !== this.node);
    return [this.#info(), ...others];
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#options.directory.withdraw();
  }

  #announce(): Promise<void> {
    return this.#options.directory.announce(this.#info());
  }

  #info(): NodeInfo {
    const { registry, admission } = this.#options;
    return {
      node: this.node,
      connections: registry.size,
      users: registry.users,
      startedAt: this.#startedAt,
      draining: admission.state !== 'open',
    };
  }
}
