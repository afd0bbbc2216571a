import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureNginx } from '../../scripts/nginx.mjs';
import type { Certificate } from './certificate.js';
import { endWithSpec } from './ending.js';
import { freePort } from './free-port.js';

const DEPLOYED = fileURLToPath(new URL('../../deploy/nginx/nginx.conf', import.meta.url));
const DEPLOYED_GRPC = fileURLToPath(new URL('../../deploy/nginx/grpc.conf', import.meta.url));
const READY_WITHIN_MS = 10_000;

/** What somebody writes who has read nothing of ours: HTTP/1.0 to the upstream, no upgrade, buffers. */
const BARE = `
pid nginx.pid;
events {}
http {
    access_log /dev/stdout;
    upstream aerie {
        include upstream.conf;
    }
    server {
        listen 8080;
        location / {
            proxy_pass http://aerie;
        }
    }
}
`;

/**
 * `deployed`: the configuration of deploy/nginx. `bare`: nginx's defaults and a proxy_pass. `closed`: as deployed, but it answers
 * for `/ws` itself, with a 403 that is none of Aerie's.
 */
export type NginxConfiguration = 'deployed' | 'bare' | 'closed';

export interface Nginx {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly url: string;
  /** What it has logged so far. */
  log(): Promise<string>;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** gRPC beside the rest, by deploy/nginx/grpc.conf: twice, without TLS and with it. */
export interface GrpcBehindNginx {
  /** Of the gateways, on 127.0.0.1. */
  readonly upstreams: readonly number[];
  readonly port: number;
  readonly tlsPort: number;
  readonly certificate: Certificate;
  /** Longest silence of a gateway. Seconds, default as deployed. */
  readonly readTimeoutS?: number;
}

/** A real nginx in front of gateways on these ports of 127.0.0.1. */
export async function startNginx(
  configuration: NginxConfiguration,
  upstreams: readonly number[],
  grpc?: GrpcBehindNginx,
): Promise<Nginx> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'aerie-nginx-'));
  // As root it starts workers of another user, who have their temporary files in there.
  await chmod(folder, 0o755);
  const text = adapted(await textOf(configuration), folder, port);
  const wanted = grpc === undefined ? text : text.replace('# include grpc.conf;', 'include grpc.conf;');
  await writeFile(join(folder, 'nginx.conf'), wanted);
  const servers = upstreams.map((upstream) => `server 127.0.0.1:${upstream} max_fails=0;\n`);
  await writeFile(join(folder, 'upstream.conf'), servers.join(''));
  if (grpc !== undefined) await writeGrpc(folder, grpc);
  // A pipe of Node's is a socket, which can't be opened as /dev/stdout.
  const log = await open(join(folder, 'log'), 'a');
  const child = spawn(
    ensureNginx(),
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr', '-g', 'daemon off;'],
    { stdio: ['ignore', log.fd, log.fd] },
  );
  await log.close();
  endWithSpec(child);
  const nginx: Nginx = {
    port,
    url: `http://127.0.0.1:${port}`,
    log: () => readFile(join(folder, 'log'), 'utf8'),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
  await untilReady(nginx, () => child.exitCode === null);
  return nginx;
}

async function writeGrpc(folder: string, grpc: GrpcBehindNginx): Promise<void> {
  const { upstreams, port, tlsPort, certificate, readTimeoutS } = grpc;
  await writeFile(join(folder, 'tls.key'), certificate.key);
  await writeFile(join(folder, 'tls.crt'), certificate.cert);
  const text = await readFile(DEPLOYED_GRPC, 'utf8');
  const servers = upstreams.map((upstream) => `server 127.0.0.1:${upstream} max_fails=0;`);
  const tls = `listen 127.0.0.1:${tlsPort} ssl http2; ssl_certificate tls.crt; ssl_certificate_key tls.key;`;
  const adaptedText = text
    .replace(/server 127.0.0.1:.*;/, servers.join('\n'))
    .replace(/listen 8081 (.*;)/, `listen 127.0.0.1:${port} $1\n${tls}`)
    .replace(/(grpc_read_timeout) (\d+)s;/, (_line, name, seconds) => `${name} ${readTimeoutS ?? seconds}s;`);
  await writeFile(join(folder, 'grpc.conf'), adaptedText);
}

async function textOf(configuration: NginxConfiguration): Promise<string> {
  if (configuration === 'bare') return BARE;
  const deployed = await readFile(DEPLOYED, 'utf8');
  return configuration === 'closed'
    ? deployed.replace('location = /ws {', 'location = /ws {\nreturn 403;')
    : deployed;
}

// Only what two of them on one machine, and one without root, can't share.
function adapted(text: string, folder: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return text
    .replace(/^pid .*$/m, `pid ${folder}/nginx.pid;`)
    .replace(/^http \{$/m, `http {\n${temporary.join('\n')}`)
    .replace(/listen 8080/, `listen 127.0.0.1:${port}`);
}

async function untilReady(nginx: Nginx, isAlive: () => boolean): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (isAlive() && Date.now() < deadline) {
    const response = await fetch(`${nginx.url}/health/live`).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const log = await nginx.log();
  await nginx.stop();
  throw new Error(`nginx did not become ready:\n${log}`);
}
