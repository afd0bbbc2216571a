import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

interface Generator {
  readonly name: string;
  readonly envs?: readonly string[];
  readonly files?: readonly string[];
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly configMapGenerator?: readonly Generator[];
}

export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

/** What a folder with a kustomization.yaml renders to, as far as our bases go: their resources and generated maps. */
export interface Rendered {
  readonly manifests: readonly Manifest[];
  readonly configMaps: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

export function renderKustomization(folder: string): Rendered {
  const read = (path: string) => readFileSync(join(folder, path), 'utf8');
  const { resources, configMapGenerator = [] } = parse(read('kustomization.yaml')) as Kustomization;
  const manifests = resources.flatMap((path) =>
    parseAllDocuments(read(path)).map((document) => document.toJS() as Manifest),
  );
  const configMaps = configMapGenerator.map(
    ({ name, envs = [], files = [] }) =>
      [
        name,
        {
          ...merged(envs, (path) => readEnvFile(read(path))),
          ...merged(files, (path) => ({ [path]: read(path) })),
        },
      ] as const,
  );
  return { manifests, configMaps: new Map(configMaps) };
}

/** `NAME=value` lines; `#` begins a comment. */
export function readEnvFile(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => /^[A-Z]/.test(line));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

function merged(
  paths: readonly string[],
  read: (path: string) => Record<string, string>,
): Record<string, string> {
  return Object.assign({}, ...paths.map(read)) as Record<string, string>;
}
