/**
 * Port. Counts failed handshakes per address over a sliding minute, across nodes where the driver can. Never rejects for
 * longer than its own short timeout: a driver whose server is away counts in memory meanwhile.
 */
export abstract class FailureCounter {
  /** Adds one failure of `address`. */
  abstract record(address: string): Promise<void>;
  /** Milliseconds until `address` may try again; 0 if it may now. Reads only. */
  abstract blockedForMs(address: string): Promise<number>;
  abstract close(): Promise<void>;
}
