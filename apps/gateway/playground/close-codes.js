/** The close codes of the wire protocol: when, and what a client does. */
export const CLOSE_CODES = new Map([
  [1000, ['said goodbye', 'stays away']],
  [1001, ['the node is going away', 'reconnects']],
  [1002, ['a frame was against the WebSocket protocol', 'reconnects, backing off']],
  [1005, ['ended without a code', 'reconnects and recovers']],
  [1006, ['the line broke, or the upgrade was refused', 'reconnects and recovers']],
  [1007, ['a text frame was not UTF-8', 'reconnects, backing off']],
  [1008, ['against the rules: no $auth first, a guard said no, too many bad frames', 'stays away']],
  [1009, ['a frame was too large', 'stays away']],
  [1011, ['a fault of the server', 'reconnects, backing off']],
  [1013, ['the node is overloaded', 'reconnects, backing off']],
  [4001, ['the token of the first message is not valid', 'fetches a new token']],
  [4002, ['no $auth within 5 seconds', 'reconnects']],
  [4008, ['read too slowly', 'reconnects and recovers']],
  [4401, ['the session expired or was revoked', 'fetches a new token']],
  [4403, ['the application disconnected the user', 'stays away']],
  [4429, ['sent too fast', 'reconnects, backing off']],
]);

/** One sentence about a close. */
export function explainClose(code, reason) {
  const [when, then] = CLOSE_CODES.get(code) ?? ['unknown code', 'reconnects and recovers'];
  return `Closed ${code}${reason ? ` “${reason}”` : ''}: ${when}. A client ${then}.`;
}
