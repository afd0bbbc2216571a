/** A port: an abstract class that is type and token in one. */
type Port = abstract new (...args: never[]) => unknown;

/**
 * The token under which a technology's module (`RealtimeRedisModule`, say) offers its driver of a port. The realtime
 * module injects it as optional and falls back to memory.
 */
export function driverToken(port: Port): symbol {
  return Symbol.for(`aerie:driver:${port.name}`);
}

/** Connections that several drivers of one technology share. Closed once, after every driver. */
export abstract class DriverConnections {
  abstract close(): Promise<void>;
}
