import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Route } from '@aerie/realtime';
import { foreignHost } from './foreign-host.js';
import { staticFile } from './static-files.js';

const FOLDER = fileURLToPath(new URL('./playground', import.meta.url));

export interface PlaygroundOptions {
  /** Fills the key of the server API in, where the gateway generated one for this machine. */
  readonly apiKey?: string;
}

/** The page at `/` on which to try the gateway out. For dev mode only: with `/dev/tokens` anybody is whoever they say. */
export function playgroundRoutes({ apiKey }: PlaygroundOptions = {}): readonly Route[] {
  const assets = readdirSync(FOLDER).filter((name) => !name.endsWith('.html'));
  return [
    staticFile({ path: '/', folder: FOLDER, name: 'index.html' }),
    ...assets.map((name) => staticFile({ path: `/playground/${name}`, folder: FOLDER, name })),
    {
      method: 'GET',
      path: '/playground/config.json',
      handle: ({ request }) => foreignHost(request) ?? { body: { apiKey: apiKey ?? null } },
    },
  ];
}
