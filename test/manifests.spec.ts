import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { ENV_NAMES, readEnv, type GatewayEnv } from '../apps/gateway/env.js';
import { freePort } from './support/free-port.js';
import { readEnvFile, renderKustomization, type Manifest } from './support/kustomization.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SECRETS = {
  AUTH_JWT_SECRET: 's'.repeat(32),
  API_KEYS: `orders:publish:${'k'.repeat(16)}`,
  REDIS_URL: 'redis://redis:6379',
};
const PROBES = {
  startupProbe: '/health/startup',
  readinessProbe: '/health/ready',
  livenessProbe: '/health/live',
} as const;
const DESCRIPTORS = 1_000_000;

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string | number };
}

interface Container {
  readonly image: string;
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly envFrom: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly startupProbe: Probe;
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Deployment extends Manifest {
  readonly spec: {
    readonly strategy: { readonly rollingUpdate: { readonly maxUnavailable: number } };
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly automountServiceAccountToken: boolean;
        readonly serviceAccountName: string;
        readonly securityContext: object;
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string; readonly configMap: { readonly name: string } }[];
      };
    };
  };
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
/** The source of a file that the build puts under dist/apps. */
const sourceOf = (built: string) => built.replace(/^dist\//, '').replace(/\.js$/, '.ts');
const expectKnown = (names: Iterable<string>) =>
  expect([...names].filter((name) => !ENV_NAMES.some((known) => known === name))).toEqual([]);
/** A stop must outlast the drain twice. */
const graceMsOf = ({ drain }: GatewayEnv) => 2 * (drain.windowMs + drain.lameDuckMs);

describe('the image', () => {
  const lines = read('Dockerfile')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n');
  const last = (instruction: string) =>
    lines.findLast((line) => line.startsWith(`${instruction} `))?.slice(instruction.length + 1);

  it('runs node itself, as process 1, on what the build makes', () => {
    const [command, script = ''] = JSON.parse(last('CMD') ?? '[]') as string[];
    expect(command).toBe('node');
    expect(existsSync(join(ROOT, sourceOf(script)))).toBe(true);
    expect(last('ENTRYPOINT')).toBeUndefined();
  });

  it('is for production, on the pinned Node, and not for root', () => {
    const variables = readEnvFile(
      lines
        .filter((line) => line.startsWith('ENV '))
        .map((line) => line.slice(4))
        .join('\n'),
    );
    expect(variables).toEqual({ NODE_ENV: 'production' });
    expect(
      new Set(lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1])),
    ).toEqual(new Set(['node:24-slim']));
    expect(last('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  it('exposes the port that the gateway listens on', () => {
    expect(Number(last('EXPOSE'))).toBe(readEnv({}).http.port);
  });

  it('copies every workspace that npm ci asks for', () => {
    for (const library of ['protocol', 'client', 'realtime']) {
      expect(
        lines.filter((line) => line === `COPY libs/${library}/package.json libs/${library}/`),
      ).toHaveLength(2);
      expect(lines).toContain(`COPY --from=build /app/libs/${library}/dist libs/${library}/dist`);
    }
  });
});

describe('k8s/base', () => {
  const { manifests, configMaps } = renderKustomization(join(ROOT, 'k8s/base'));
  const deployment = manifests.find(({ kind }) => kind === 'Deployment') as Deployment;
  const pod = deployment.spec.template.spec;
  const container = pod.containers[0] as Container;
  const settings = Object.assign(
    {},
    ...container.envFrom.map(({ configMapRef }) => configMaps.get(configMapRef.name)),
  ) as Record<string, string>;
  const channels = join(ROOT, 'k8s/base/channels.json');
  const env = readEnv({ NODE_ENV: 'production', ...settings, ...SECRETS, CHANNELS: channels });

  it('has everything that a rollout needs', () => {
    expect(manifests.map(({ kind }) => kind).sort()).toEqual(
      [
        'Deployment',
        'HorizontalPodAutoscaler',
        'NetworkPolicy',
        'PodDisruptionBudget',
        'Service',
        'ServiceAccount',
      ].sort(),
    );
  });

  it('sets only variables that the gateway knows', () => {
    expectKnown([...Object.keys(settings), ...container.env.map(({ name }) => name)]);
  });

  it('takes secrets from a Secret and from nowhere else', () => {
    expect(container.env.map(({ name }) => name).sort()).toEqual(Object.keys(SECRETS).sort());
    for (const variable of container.env) expect(variable.valueFrom).toHaveProperty('secretKeyRef');
    for (const name of Object.keys(SECRETS)) expect(settings).not.toHaveProperty(name);
  });

  it('requires a shared backplane and refuses to boot without one', () => {
    expect(env.requireSharedBackplane).toBe(true);
    expect(() =>
      readEnv({ NODE_ENV: 'production', ...settings, ...SECRETS, CHANNELS: channels, REDIS_URL: '' }),
    ).toThrow('REQUIRE_SHARED_BACKPLANE');
  });

  it('mounts the channels where CHANNELS points', () => {
    const mount = container.volumeMounts.find(({ mountPath }) =>
      settings['CHANNELS']?.startsWith(`${mountPath}/`),
    );
    const volume = pod.volumes.find(({ name }) => name === mount?.name);
    const file = settings['CHANNELS']?.slice((mount?.mountPath.length ?? 0) + 1) ?? '';
    expect(configMaps.get(volume?.configMap.name ?? '')).toHaveProperty([file]);
  });

  it.each(Object.entries(PROBES))('asks %s on %s of the gateway\u2019s port', (probe, path) => {
    const { httpGet } = container[probe as keyof typeof PROBES];
    expect(httpGet.path).toBe(path);
    expect(container.ports.find(({ name }) => name === httpGet.port)?.containerPort).toBe(env.http.port);
  });

  it('drains before it stops, by a program that the build makes', () => {
    const [command, script = ''] = container.lifecycle.preStop.exec.command;
    expect(command).toBe('node');
    expect(existsSync(join(ROOT, sourceOf(script)))).toBe(true);
  });

  it('gives a pod at least twice its drain before it is killed', () => {
    expect(env.drain).toEqual({ windowMs: 30_000, lameDuckMs: 5_000 });
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThanOrEqual(graceMsOf(env));
    expect(deployment.spec.strategy.rollingUpdate.maxUnavailable).toBe(0);
  });

  it('leaves before its memory limit kills it', () => {
    expect(container.resources.limits.memory).toBe('1Gi');
    expect(env.limits.maxRssBytes).toBeLessThan(0.9 * 1024 ** 3);
  });

  it('runs without root, rights, tokens or a writable disk', () => {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.automountServiceAccountToken).toBe(false);
  });

  it('selects its own pods, and routes the service to their port', () => {
    const labels = deployment.spec.template.metadata.labels;
    const service = manifests.find(({ kind }) => kind === 'Service') as Manifest & {
      spec: { selector: object; ports: { targetPort: string }[] };
    };
    expect(labels).toMatchObject(deployment.spec.selector.matchLabels);
    expect(labels).toMatchObject(service.spec.selector);
    expect(container.ports.map(({ name }) => name)).toEqual(
      service.spec.ports.map(({ targetPort }) => targetPort),
    );
    expect(manifests.find(({ kind }) => kind === 'ServiceAccount')?.metadata.name).toBe(
      pod.serviceAccountName,
    );
  });
});

describe('docker-compose.yml', () => {
  interface Service {
    readonly environment?: Readonly<Record<string, string>>;
    readonly command?: readonly string[];
    readonly volumes?: readonly string[];
    readonly ulimits?: { readonly nofile: { readonly soft: number; readonly hard: number } };
    readonly healthcheck?: { readonly test: readonly unknown[] };
    readonly stop_grace_period?: string;
  }
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>;
  };
  const gateways = Object.entries(services).filter(([name]) => name.startsWith('gateway-'));

  it('runs two gateways on one Redis behind nginx, each watched, each with its descriptors', () => {
    expect(Object.keys(services)).toEqual(['gateway-1', 'gateway-2', 'redis', 'nginx']);
    for (const { ulimits, healthcheck } of Object.values(services)) {
      expect(ulimits?.nofile).toEqual({ soft: DESCRIPTORS, hard: DESCRIPTORS });
      // A `: ` that is not quoted makes a mapping of a command, which compose refuses.
      expect(healthcheck?.test.every((word) => typeof word === 'string')).toBe(true);
    }
  });

  it.each(gateways)(
    'configures %s so that it boots, and gives it time to drain',
    (_, { environment = {}, stop_grace_period = '' }) => {
      expectKnown(Object.keys(environment));
      const literals = Object.fromEntries(
        Object.entries(environment).filter(([, value]) => !value.startsWith('${')),
      );
      const env = readEnv({ NODE_ENV: 'production', ...literals, AUTH_JWT_SECRET: SECRETS.AUTH_JWT_SECRET });
      expect(env.requireSharedBackplane).toBe(true);
      expect(Number.parseInt(stop_grace_period) * 1_000).toBeGreaterThanOrEqual(graceMsOf(env));
    },
  );

  it('has a Redis that never evicts', () => {
    expect(services['redis']?.command?.join(' ')).toContain('--maxmemory-policy noeviction');
  });

  it('mounts files that exist, and names each gateway to nginx', () => {
    const sources = (services['nginx']?.volumes ?? []).map((volume) => volume.split(':')[0] ?? '');
    for (const source of sources) expect(existsSync(join(ROOT, source)), source).toBe(true);
    const upstream = read('deploy/nginx/compose/upstream.conf');
    expect([...upstream.matchAll(/^server ([\w-]+):(\d+)/gm)].map(([, name]) => name)).toEqual(
      gateways.map(([name]) => name),
    );
  });
});

describe('deploy/nginx', () => {
  const configuration = read('deploy/nginx/nginx.conf').replaceAll(/#.*$/gm, '');
  const grpc = read('deploy/nginx/grpc.conf');

  it.each(['proxy', 'grpc'])('waits longer than a heartbeat takes (%s)', (kind) => {
    const { intervalMs, timeoutMs } = readEnv({}).heartbeat;
    const waits = new RegExp(`${kind}_read_timeout (\\d+)s;`);
    const seconds = Number(waits.exec(configuration + grpc)?.[1]);
    expect(seconds * 1_000).toBeGreaterThan(intervalMs + timeoutMs);
  });

  it('logs no query string and no referer', () => {
    expect(configuration).not.toMatch(/\$(request|request_uri|args|query_string|http_referer|is_args)\b/);
    expect(configuration).toMatch(/^ {4}error_log stderr emerg;$/m);
  });

  it('passes requests to where a gateway listens', () => {
    expect(read('deploy/nginx/upstream.conf')).toContain(`127.0.0.1:${readEnv({}).http.port}`);
  });
});

describe('deploy/systemd', () => {
  const unit = read('deploy/systemd/aerie-gateway.service');
  const valuesOf = (name: string) =>
    [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value);
  const example = readEnvFile(read('deploy/systemd/gateway.env.example'));
  const variables = { ...readEnvFile(valuesOf('Environment').join('\n')), ...example };

  it('sets only variables that the gateway knows, and boots with the example once its secrets are filled in', () => {
    expectKnown(Object.keys(variables));
    expect(readEnv({ ...variables, ...SECRETS, CHANNELS: '' }).production).toBe(true);
  });

  it('stops it with SIGTERM and waits for twice its drain', () => {
    expect(valuesOf('KillSignal')).toEqual(['SIGTERM']);
    const env = readEnv({ ...variables, ...SECRETS, CHANNELS: '' });
    expect(Number(valuesOf('TimeoutStopSec')[0]) * 1_000).toBeGreaterThanOrEqual(graceMsOf(env));
  });

  it('starts what the build makes, with its descriptors and without rights', () => {
    const [, script = ''] = valuesOf('ExecStart')[0]?.split(' ') ?? [];
    expect(existsSync(join(ROOT, sourceOf(script)))).toBe(true);
    expect(valuesOf('LimitNOFILE')).toEqual([String(DESCRIPTORS)]);
    expect(unit).toContain('NoNewPrivileges=yes');
  });
});

describe('the gateway that the build makes', () => {
  let gateway: ChildProcess;
  let url: string;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    gateway = spawn(process.execPath, [join(ROOT, 'dist/apps/gateway/main.js')], {
      env: {
        PORT: String(port),
        INTERNAL_PORT: String(await freePort()),
        DRAIN_WINDOW_MS: '0',
        LOG_LEVEL: 'error',
      },
      stdio: 'inherit',
    });
    await vi.waitFor(() => fetch(url + PROBES.startupProbe), { timeout: 30_000, interval: 100 });
  });

  afterAll(() => gateway.kill('SIGKILL'));

  it.each(Object.values(PROBES))('answers %s, which the manifests ask for', async (path) => {
    expect((await fetch(url + path)).status).toBe(200);
  });

  it('ends with exit code 0 on the signal that every supervisor here sends', async () => {
    gateway.kill('SIGTERM');
    expect(await once(gateway, 'exit')).toEqual([0, null]);
  });
});

describe('docs/operations.md', () => {
  it('has a row for every variable that the gateway reads, and for no other', () => {
    const rows = [...read('docs/operations.md').matchAll(/^\| `([A-Z][A-Z0-9_]+)` +\|/gm)].map(
      ([, name]) => name,
    );
    expect(new Set(rows)).toEqual(new Set(ENV_NAMES));
    expect(rows).toHaveLength(ENV_NAMES.length);
  });
});

it('runs the tests on the pinned Node', () => {
  expect(process.version).toMatch(/^v24\./);
});
