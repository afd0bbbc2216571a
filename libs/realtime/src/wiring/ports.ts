import type { FactoryProvider } from '@nestjs/common';
import { driverToken } from '../driver-token.js';
import { FailureCounter } from '../handshake/failure-counter.js';
import { TicketStore } from '../handshake/ticket-store.js';
import { MemoryBackplane } from '../memory/memory-backplane.js';
import { MemoryFailureCounter } from '../memory/memory-failure-counter.js';
import { MemoryNodeDirectory } from '../memory/memory-node-directory.js';
import { MemoryRevocationLog } from '../memory/memory-revocation-log.js';
import { MemoryTicketStore } from '../memory/memory-ticket-store.js';
import { Backplane } from '../publishing/backplane.js';
import { NodeDirectory } from '../sessions/node-directory.js';
import { RevocationLog } from '../sessions/revocations.js';

type Port<Driver> = abstract new (...args: never[]) => Driver;

/** Each port: the driver that a technology's module offers, or memory. */
export const PORTS: readonly FactoryProvider[] = [
  port(Backplane, () => new MemoryBackplane()),
  port(TicketStore, () => new MemoryTicketStore()),
  port(FailureCounter, () => new MemoryFailureCounter()),
  port(RevocationLog, () => new MemoryRevocationLog()),
  port(NodeDirectory, () => new MemoryNodeDirectory()),
];

function port<Driver>(token: Port<Driver>, memory: () => Driver): FactoryProvider<Driver> {
  return {
    provide: token,
    inject: [{ token: driverToken(token), optional: true }],
    useFactory: (driver: Driver | undefined) => driver ?? memory(),
  };
}
