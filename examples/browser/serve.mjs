// Serves this page and the built SDK, and is the page's backend: it says who a browser is.
//   node examples/browser/serve.mjs [port]
// AERIE_URL (http://localhost:3000) must be in dev mode, with ALLOWED_ORIGINS naming this page's origin.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';

const port = Number(process.argv[2] ?? 8000);
const aerie = process.env.AERIE_URL ?? 'http://localhost:3000';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8' };
const FOLDERS = [
  [
    /^\/sdk\/(client|protocol)\/((?:[\w-]+\/)*[\w-]+\.js)$/,
    (library, module) => `../../libs/${library}/dist/${module}`,
  ],
  [/^\/(index\.html|page\.js)$/, (name) => name],
];

const server = createServer((request, response) => {
  answer(request).then(
    ({ status = 200, type, body = '' }) =>
      response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(body),
    () => response.writeHead(502).end(),
  );
});
server.listen(port, 'localhost', () => console.log(`http://localhost:${server.address().port}`));
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });

async function answer({ method, url }) {
  const path = url.split('?')[0] === '/' ? '/index.html' : url.split('?')[0];
  if (method === 'POST' && path === '/ticket') return json({ ticket: await ticket() });
  if (path === '/config') return json({ url: `${aerie.replace(/^http/, 'ws')}/ws` });
  for (const [pattern, locate] of FOLDERS) {
    const [matched, ...parts] = pattern.exec(path) ?? [];
    if (matched !== undefined) return file(locate(...parts));
  }
  return { status: 404 };
}

async function file(path) {
  try {
    return { type: TYPES[extname(path)], body: await readFile(new URL(path, import.meta.url)) };
  } catch {
    return { status: 404 };
  }
}

// A real backend would look at its own session first. A ticket serves once: the page never sees a token.
async function ticket() {
  const { token } = await post('/dev/tokens', { user: 'browser' });
  const bought = await post('/tickets', {}, { authorization: `Bearer ${token}` });
  return bought.ticket;
}

async function post(path, body, headers = {}) {
  const response = await fetch(aerie + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
}

function json(value) {
  return { type: 'application/json', body: JSON.stringify(value) };
}
