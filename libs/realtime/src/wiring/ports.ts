import type { FactoryProvider } from '@nestjs/common';
import { driverToken } from '../driver-token.js';
import { FailureCounter } from '../handshake/failure-counter.js';
import { TicketStore } from '../handshake/ticket-store.js';
import { History } from '../history/history.js';
import { NoHistory } from '../history/no-history.js';
import { MemoryBackplane } from '../memory/memory-backplane.js';
import { MemoryFailureCounter } from '../memory/memory-failure-counter.js';
import { MemoryHistory } from '../memory/memory-history.js';
import { MemoryHub } from '../memory/memory-hub.js';
import { MemoryNodeDirectory } from '../memory/memory-node-directory.js';
import { MemoryPresenceStore } from '../memory/memory-presence-store.js';
import { MemoryRevocationLog } from '../memory/memory-revocation-log.js';
import { MemorySessionRegistry } from '../memory/memory-session-registry.js';
import { MemoryTicketStore } from '../memory/memory-ticket-store.js';
import { PresenceStore } from '../presence/presence-store.js';
import { Backplane } from '../publishing/backplane.js';
import { NodeDirectory } from '../sessions/node-directory.js';
import { RevocationLog } from '../sessions/revocations.js';
import { SessionRegistry } from '../sessions/session-registry.js';

type Port<Driver> = abstract new (...args: never[]) => Driver;

/** Each port: the driver that a technology's module offers, or memory. */
export const PORTS: readonly FactoryProvider[] = [
  { provide: MemoryHub, useFactory: () => new MemoryHub() },
  {
    provide: Backplane,
    inject: [optional(Backplane), MemoryHub],
    useFactory: (driver: Backplane | undefined, hub: MemoryHub) => driver ?? new MemoryBackplane(hub),
  },
  { provide: History, inject: [optional(History), optional(Backplane), MemoryHub], useFactory: history },
  {
    provide: PresenceStore,
    inject: [optional(PresenceStore), MemoryHub],
    useFactory: (driver: PresenceStore | undefined, hub: MemoryHub) => driver ?? new MemoryPresenceStore(hub),
  },
  port(TicketStore, () => new MemoryTicketStore()),
  port(FailureCounter, () => new MemoryFailureCounter()),
  port(RevocationLog, () => new MemoryRevocationLog()),
  port(NodeDirectory, () => new MemoryNodeDirectory()),
  port(SessionRegistry, () => new MemorySessionRegistry()),
];

function port<Driver>(token: Port<Driver>, memory: () => Driver): FactoryProvider<Driver> {
  return {
    provide: token,
    inject: [optional(token)],
    useFactory: (driver: Driver | undefined) => driver ?? memory(),
  };
}

// What is appended is announced in the same step: a history is of one technology with its backplane.
function history(driver: History | undefined, backplane: Backplane | undefined, hub: MemoryHub): History {
  if (driver !== undefined) return driver;
  return backplane === undefined ? new MemoryHistory(hub) : new NoHistory(backplane.name);
}

function optional(token: Port<unknown>): { token: symbol; optional: true } {
  return { token: driverToken(token), optional: true };
}
