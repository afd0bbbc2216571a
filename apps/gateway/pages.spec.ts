import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CLOSE } from '@aerie/protocol';
import { HttpEdge } from '@aerie/realtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiDocsRoutes } from './api-docs.route.js';
import { playgroundRoutes } from './playground.route.js';

const server = createServer();
let url = '';

beforeAll(async () => {
  const edge = new HttpEdge();
  for (const route of [...playgroundRoutes({ apiKey: 'generated' }), ...apiDocsRoutes()]) edge.add(route);
  edge.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
});

/** Every `src` and `href` of a page, and every module that its scripts import. */
function referencesIn(text: string): readonly string[] {
  return [...text.matchAll(/(?:src|href)="([^"]+)"|from '\.\/([^']+)'/g)].map(
    ([, path, module]) => path ?? `/playground/${module}`,
  );
}

describe.each([
  ['/', ['/api/docs', '/health/ready']],
  ['/api/docs', []],
])('the page at %s', (path, links) => {
  it('allows only what is of this origin, and nothing inline', async () => {
    const { status, headers } = await fetch(url + path);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });

  it('finds everything that it refers to, with its own content type', async () => {
    const page = await (await fetch(url + path)).text();
    const assets = referencesIn(page).filter((reference) => !links.includes(reference));
    expect(assets.length).toBeGreaterThan(1);
    for (const asset of assets) {
      const response = await fetch(url + asset);
      expect([asset, response.status]).toEqual([asset, 200]);
      expect(response.headers.get('content-type')).toMatch(/^(text\/(css|javascript)|image\/)/);
      if (!path.startsWith('/api'))
        for (const module of referencesIn(await response.text()))
          expect((await fetch(url + module)).status).toBe(200);
    }
  });
});

describe('the playground', () => {
  it('knows every close code of the protocol', async () => {
    const codes = await (await fetch(`${url}/playground/close-codes.js`)).text();
    for (const { code } of Object.values(CLOSE)) expect(codes).toContain(`[${code}, [`);
  });

  it('is given the generated API key, on this machine only', async () => {
    expect(await (await fetch(`${url}/playground/config.json`)).json()).toEqual({ apiKey: 'generated' });
  });

  it('serves no other file', async () => {
    for (const path of ['/playground/../env.ts', '/playground/%2e%2e%2fenv.ts', '/playground/index.html'])
      expect((await fetch(url + path)).status).toBe(404);
  });
});
