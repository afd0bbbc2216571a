import type { Route } from './route.js';

/** A known path, asked with a method that it does not have. */
export interface MethodsOnly {
  readonly allow: readonly string[];
  readonly cors: boolean;
}

/** Where a request's path and method lead. */
export type RouteMatch =
  { readonly route: Route; readonly params: Readonly<Record<string, string>> } | MethodsOnly;

interface Entry {
  readonly route: Route;
  readonly segments: readonly string[];
}

/** The paths that Aerie answers itself. Routes come and go while it serves. */
export class RouteTable {
  #entries: readonly Entry[] = [];

  /** Adds a route; the returned function takes it out again. */
  add(route: Route): () => void {
    const entry = { route, segments: segmentsOf(route.path) };
    this.#entries = [...this.#entries, entry].sort(literalsFirst);
    return () => {
      this.#entries = this.#entries.filter((other) => other !== entry);
    };
  }

  /** `undefined` when no route has the path. `asked` is the method that a preflight asks for, else `method` itself. */
  match(method: string, path: string, asked: string = method): RouteMatch | undefined {
    const segments = segmentsOf(path);
    const routes = this.#entries.flatMap((entry) => {
      if (entry.route.shared === true && !answers(entry.route, asked)) return [];
      const params = paramsOf(entry.segments, segments);
      return params === undefined ? [] : [{ route: entry.route, params }];
    });
    if (routes.length === 0) return undefined;
    return routes.find(({ route }) => answers(route, method)) ?? methodsOf(routes.map(({ route }) => route));
  }
}

function answers({ method }: Route, asked: string): boolean {
  return method === (asked === 'HEAD' ? 'GET' : asked);
}

/** A trailing slash makes no difference. */
function segmentsOf(path: string): readonly string[] {
  return (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path).split('/');
}

function methodsOf(routes: readonly Route[]): MethodsOnly {
  const methods = new Set(routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])));
  const cors = routes.some((route) => route.cors === true);
  if (cors) methods.add('OPTIONS');
  return { allow: [...methods], cors };
}

function paramsOf(
  pattern: readonly string[],
  segments: readonly string[],
): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (!part.startsWith(':')) {
      if (part !== segment) return undefined;
      continue;
    }
    const value = decoded(segment);
    if (value === undefined || value === '') return undefined;
    params[part.slice(1)] = value;
  }
  return params;
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function literalsFirst(a: Entry, b: Entry): number {
  return parameters(a) - parameters(b);
}

function parameters({ segments }: Entry): number {
  return segments.filter((segment) => segment.startsWith(':')).length;
}
