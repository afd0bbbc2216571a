import { NodeDirectory, type NodeInfo } from '../sessions/node-directory.js';

/** Knows of this node only. */
export class MemoryNodeDirectory extends NodeDirectory {
  #self: NodeInfo | undefined;

  async announce(info: NodeInfo): Promise<void> {
    this.#self = info;
  }

  async list(): Promise<readonly NodeInfo[]> {
    return this.#self === undefined ? [] : [this.#self];
  }

  async withdraw(): Promise<void> {
    this.#self = undefined;
  }
}
