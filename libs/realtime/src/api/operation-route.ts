import type { Route, RouteContext, RouteOutcome } from '../http/route.js';
import { Refusal } from '../refusal.js';
import type { ApiAccess } from './api-access.js';
import type { ApiTarget } from './api-target.js';
import type { Operation } from './operation.js';

export interface OperationRouteDeps {
  readonly access: ApiAccess;
  readonly target: ApiTarget;
  /** `/api` */
  readonly prefix: string;
}

/** Puts one operation behind its key check at `<prefix>/<name>`. */
export function operationRoute(operation: Operation, { access, target, prefix }: OperationRouteDeps): Route {
  const handle = async (context: RouteContext): Promise<RouteOutcome> => {
    const refusal = await access.check(context.request, operation.scope);
    if (refusal) return refusal;
    const input = operation.method === 'GET' ? fromQuery(context.query) : await context.json();
    return input instanceof Refusal ? input : operation.call(target, input);
  };
  return { method: operation.method, path: `${prefix}/${operation.name}`, handle };
}

function fromQuery(query: URLSearchParams): unknown {
  // A field given twice becomes a list, which no schema of ours takes: 400 with its name.
  const names = [...new Set(query.keys())];
  return Object.fromEntries(names.map((name) => [name, one(query.getAll(name))]));
}

function one(values: readonly string[]): unknown {
  return values.length === 1 ? values[0] : values;
}
