import type { IncomingMessage } from 'node:http';
import type { Refusal } from '../refusal.js';

/** What a failed backplane does to readiness. */
export type BackplanePolicy = 'required' | 'degraded';

export interface RealtimeHealthOptions {
  /** Where `/live`, `/ready` and `/startup` are mounted; `false` mounts nothing. Default `/health`. */
  readonly prefix?: string | false | undefined;
  /**
   * `required` answers 503 while the backplane is away. The default `degraded` answers 200 and says so: a Redis that fails
   * must not take an application out of service that does more than realtime.
   */
  readonly backplane?: BackplanePolicy | undefined;
  /** Not ready on a backplane that reaches this node only. Default false. */
  readonly requireSharedBackplane?: boolean | undefined;
  /** Warns of a backplane that reaches this node only. Default: `NODE_ENV` is `production`. */
  readonly production?: boolean | undefined;
  /** Resident memory past which the node is not ready. Bytes; default: no limit. */
  readonly maxRssBytes?: number | undefined;
  /** Mean delay of the event loop over 10 s past which the process counts as dead. Milliseconds, default 1,000. */
  readonly maxLoopDelayMs?: number | undefined;
  /** Says who may read the probes: a Refusal is the answer. Default: anybody who reaches the port. */
  readonly authorize?:
    ((request: IncomingMessage) => Refusal | undefined | Promise<Refusal | undefined>) | undefined;
}

export const REALTIME_HEALTH_OPTIONS = Symbol('aerie:health-options');
