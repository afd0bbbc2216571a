/** One gateway process as the others see it. */
export interface NodeInfo {
  readonly node: string;
  readonly connections: number;
  readonly users: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly draining: boolean;
}

/** Port. Who else is there, for `/api/info` only: nothing is decided by it. Entries live 10 s and are renewed every 3 s. */
export abstract class NodeDirectory {
  /** Announces this node; best effort, never rejects. */
  abstract announce(info: NodeInfo): Promise<void>;
  /** The live nodes, this one included; the local node alone while the store is away. */
  abstract list(): Promise<readonly NodeInfo[]>;
  abstract withdraw(): Promise<void>;
}
