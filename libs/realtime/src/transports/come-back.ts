const RETRY_MS = 1_000;
const RETRY_SPREAD_MS = 2_000;

/** When somebody whom the server sent away is to come back, where the transport can say so: after 1 to 3 s. Milliseconds. */
export function comeBackAfterMs(): number {
  return RETRY_MS + Math.random() * RETRY_SPREAD_MS;
}
