interface AboutUser {
  /** The same however often it is told: what to dedupe by. */
  readonly id: string;
  readonly user: string;
  /** Epoch milliseconds, by the store's clock. */
  readonly at: number;
}

interface AboutConnection extends AboutUser {
  readonly connection: string;
  readonly node: string;
  /** Its session's, where it has one. */
  readonly tenant?: string;
}

/**
 * What became of a user or a connection, on any node. `online` and `offline` of the same stay share what stands before the
 * dot of their ids, as `connected` and `disconnected` of a connection do.
 */
export type SessionEvent =
  | (AboutConnection & { readonly type: 'connected' })
  | (AboutConnection & {
      readonly type: 'disconnected';
      readonly code: number;
      /** As it was closed with; `node_lost` where its node died. */
      readonly reason: string;
    })
  | (AboutUser & { readonly type: 'online' | 'offline' });

/** How a connection of a dead node ended. */
export const NODE_LOST = { code: 1006, reason: 'node_lost' } as const;
