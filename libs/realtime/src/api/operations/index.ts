import type { Operation } from '../operation.js';
import { broadcast } from './broadcast.js';
import { connections } from './connections.js';
import { disconnect } from './disconnect.js';
import { history } from './history.js';
import { info } from './info.js';
import { presence } from './presence.js';
import { publish } from './publish.js';
import { revoke } from './revoke.js';
import { unsubscribe } from './unsubscribe.js';

/** The whole server API: routes and OpenAPI are both made from this table. */
export const OPERATIONS: readonly Operation[] = [
  publish,
  broadcast,
  disconnect,
  unsubscribe,
  revoke,
  history,
  connections,
  presence,
  info,
];
