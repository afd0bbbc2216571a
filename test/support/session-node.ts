import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SessionEvent } from '@aerie/realtime';
import { openClient, type TestClient, type TestClientOptions } from '@aerie/realtime/testing';
import { endWithSpec } from './ending.js';
import { API_KEY, JWT_SECRET, tokenFor } from './gateway.js';

const APP = fileURLToPath(new URL('session-app.ts', import.meta.url));
const SOURCES = fileURLToPath(new URL('typescript-sources.mjs', import.meta.url));

interface Line {
  readonly port?: number;
  readonly event?: SessionEvent;
  readonly note?: unknown;
}

/** One node of an application, as a process that may be killed, paused and resumed. */
export class SessionNode {
  /** What its application was told, in order. */
  readonly events: SessionEvent[] = [];
  /** What its gateway handled. */
  readonly notes: unknown[] = [];
  /** What it logged. */
  log = '';
  readonly #child: ChildProcess;
  readonly #clients: TestClient[] = [];
  readonly #started = Promise.withResolvers<number>();
  #port = 0;

  constructor(
    readonly name: string,
    env: Readonly<Record<string, string>>,
  ) {
    this.#child = spawn(process.execPath, ['--conditions=@aerie/source', '--import', SOURCES, APP], {
      env: { ...process.env, NODE: name, JWT_SECRET, API_KEY, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    endWithSpec(this.#child);
    let rest = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#hear(line);
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    void once(this.#child, 'exit').then(() => this.#started.reject(new Error(`${name} ended:\n${this.log}`)));
  }

  async started(): Promise<this> {
    this.#port = await this.#started.promise;
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** A client that has been welcomed. */
  async connect(user: string, options: Pick<TestClientOptions, 'autoPong'> = {}): Promise<TestClient> {
    const url = `ws://127.0.0.1:${this.#port}/ws`;
    const client = await openClient(url, { token: tokenFor(user), ...options });
    this.#clients.push(client);
    await client.frame('$welcome');
    return client;
  }

  /** Asks the server API. */
  async api<Answer>(path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.url}/api/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as Answer;
  }

  /** One gauge or counter by its full name, labels included where it has some. */
  async metric(name: string): Promise<number> {
    const lines = (await (await fetch(`${this.url}/metrics`)).text()).split('\n');
    return Number(
      lines
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    );
  }

  /** On which nodes a user has connections, as this node sees it. */
  async nodesOf(user: string): Promise<readonly string[]> {
    const { connections } = await this.api<{ connections: { node: string }[] }>(`connections?user=${user}`);
    return connections.map(({ node }) => node).toSorted();
  }

  async isOnline(user: string): Promise<boolean> {
    return (await this.api<{ online: boolean }>(`presence?user=${user}`)).online;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** In the order of their names, as the store has them. */
  async membersOf(channel: string): Promise<readonly string[]> {
    const { members } = await this.api<{ members: { user: string }[] }>(`presence?channel=${channel}`);
    return members.map(({ user }) => user);
  }

  /** All its clients say goodbye. */
  async dismiss(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
  }

  /** SIGSTOP: it stands still, its sockets stay open. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGTERM: it drains and exits. */
  async leave(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }

  /** SIGKILL; also ends its clients. */
  async kill(): Promise<void> {
    if (this.isAlive) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
    for (const { socket } of this.#clients.splice(0)) socket.terminate();
  }

  #hear(line: string): void {
    if (!line.startsWith('{')) return void (this.log += `${line}\n`);
    const { port, event, note } = JSON.parse(line) as Line;
    if (port !== undefined) this.#started.resolve(port);
    if (event !== undefined) this.events.push(event);
    if (note !== undefined) this.notes.push(note);
  }
}
