import type { Server } from 'node:http';

/**
 * Connections that wait to be accepted. Node asks for 511; past that the kernel drops what comes, which then comes again
 * after 1, 3 and 7 seconds: a fleet that lost its node at once would be back late. The kernel takes the smaller of this
 * and `net.core.somaxconn` (4,096 on most Linux).
 */
export const BACKLOG = 16_384;

/** Makes a server that does not listen yet ask for {@link BACKLOG} where its application names none; the returned function ends that. */
export function deepenBacklog(server: Server): () => void {
  const own = Object.getOwnPropertyDescriptor(server, 'listen');
  const covered = server.listen;
  const listen = (...args: unknown[]): Server => Reflect.apply(covered, server, withBacklog(args)) as Server;
  server.listen = listen;
  return () => {
    if (server.listen !== listen) return;
    if (own) Object.defineProperty(server, 'listen', own);
    else Reflect.deleteProperty(server, 'listen');
  };
}

/** The forms of Node's `listen`: options, or a port or a path with an optional host and backlog, each with a callback. */
function withBacklog(args: readonly unknown[]): readonly unknown[] {
  const [where, second, third] = args;
  if (isOptions(where)) return [{ backlog: BACKLOG, ...where }, ...args.slice(1)];
  const named = typeof second === 'number' || typeof third === 'number';
  if (named || (typeof where !== 'number' && typeof where !== 'string')) return args;
  const host = typeof second === 'string' ? second : undefined;
  return [where, host, BACKLOG, ...args.filter((arg) => typeof arg === 'function')];
}

/** Not a handle, which listens as whoever made it says. */
function isOptions(where: unknown): where is object {
  return typeof where === 'object' && where !== null && ('port' in where || 'path' in where);
}
