export { Bytes, mayHoldBytes, reviveBytes, type BytesInJson } from './bytes.js';
export { closeAdvice, CLOSE, type Close, type CloseAdvice, type CloseName } from './close-codes.js';
export { decodeMessage, jsonDepth, readMessage, noMessage, type Decoded, type NoMessage } from './codec.js';
export {
  ERROR_STATUS,
  errorCodeOfStatus,
  isErrorCode,
  type ErrorBody,
  type ErrorCode,
} from './error-codes.js';
export * from './frames.js';
export {
  BEARER_SUBPROTOCOL_PREFIX,
  JSON_SUBPROTOCOL,
  LIMITS,
  MSGPACK_SUBPROTOCOL,
  SUBPROTOCOLS,
} from './limits.js';
export {
  encodeSegment,
  isChannelName,
  isEventName,
  isUserChannel,
  isUserId,
  userChannel,
  userOfChannel,
  utf8Length,
} from './names.js';
export { isPosition, type Position } from './position.js';
