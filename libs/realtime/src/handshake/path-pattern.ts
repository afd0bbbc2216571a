const NONE: Readonly<Record<string, string>> = Object.freeze({});
const PARAMETER = /^:([A-Za-z_][A-Za-z0-9_]*)$/;

/** A gateway's path: literal segments and `:name` parameters. A trailing slash makes no difference. */
export class PathPattern {
  readonly path: string;
  readonly #segments: readonly string[];
  readonly #hasParameters: boolean;

  constructor(path: string) {
    this.#segments = segmentsOf(path);
    this.path = `/${this.#segments.join('/')}`;
    this.#hasParameters = this.#segments.some((segment) => PARAMETER.test(segment));
  }

  /** The parameters, percent-decoded, or undefined where the path is another one. */
  match(pathname: string): Readonly<Record<string, string>> | undefined {
    if (pathname === this.path && !this.#hasParameters) return NONE;
    const segments = segmentsOf(pathname);
    if (segments.length !== this.#segments.length) return undefined;
    let params: Record<string, string> | undefined;
    for (const [index, expected] of this.#segments.entries()) {
      const actual = segments[index] ?? '';
      const name = PARAMETER.exec(expected)?.[1];
      if (name === undefined && actual !== expected) return undefined;
      if (name !== undefined) {
        const value = decoded(actual);
        if (value === undefined) return undefined;
        (params ??= {})[name] = value;
      }
    }
    return params ?? NONE;
  }
}

function segmentsOf(path: string): string[] {
  return path.replace(/^\//, '').replace(/\/$/, '').split('/');
}

function decoded(segment: string): string | undefined {
  try {
    return segment === '' ? undefined : decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
