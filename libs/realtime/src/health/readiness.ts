/** Port. Whether this node is ready for more clients: what `/health/ready` answers, for other ways to ask. */
export abstract class Readiness {
  abstract isReady(): boolean;
}
