import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScriptedServer } from '../test/scripted-server.js';

/** Lets a bare Node run the sources: it strips the types, but an import names the built file. */
const SOURCES = `
import { registerHooks } from 'node:module';
registerHooks({
  resolve(specifier, context, next) {
    const relative = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
    return next(relative ? specifier.replace(/[.]js$/, '.ts') : specifier, context);
  },
});`;

let server: ScriptedServer;

beforeEach(async () => {
  server = await ScriptedServer.start();
});
afterEach(() => server.stop());

/** Runs a script that has `RealtimeClient` and `url` until it ends by itself; code is null where it doesn't in 15 s. */
async function run(script: string): Promise<{ code: number | null; output: string }> {
  const program = `
    const { RealtimeClient } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    const url = ${JSON.stringify(server.url)};
    ${script}`;
  const hooks = `data:text/javascript,${encodeURIComponent(SOURCES)}`;
  const flags = ['--conditions=@aerie/source', '--import', hooks, '--input-type=module', '--eval', program];
  const child = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 15_000 });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

const OPEN = `
  const realtime = new RealtimeClient(url, { token: () => 'jwt' });
  realtime.channel('room:7').on('say', () => undefined);
  realtime.request('slow', {}, { timeoutMs: 600_000 }).catch(({ code }) => console.log(code));
  realtime.channel('room:7').publish('say', 1, { timeoutMs: 600_000 }).catch(({ code }) => console.log(code));`;

describe('the process', () => {
  it('can end after close(), with requests, a subscription and a renewal under way', async () => {
    server.greet = (peer) => {
      peer.welcome({ expiresAt: Date.now() + 3_600_000 });
      void peer.receive('$publish').then(() => peer.send({ event: 'enough' }));
    };
    const { code, output } = await run(`${OPEN} realtime.on('enough', () => realtime.close());`);
    expect(output).toBe('unavailable\nunavailable\n');
    expect(code).toBe(0);
  });

  it('can end after close() where a renewal had no reply yet', async () => {
    server.greet = (peer) => {
      const serverTime = Date.now();
      peer.welcome({ serverTime, expiresAt: serverTime + 1_000 });
      void (async () => {
        await peer.receive('$auth');
        await peer.receive('$auth');
        peer.send({ event: 'enough' });
      })();
    };
    // A clock that is set back leaves the session an hour more.
    const { code, output } = await run(`
      const { now } = Date;
      let tokens = 0;
      const token = () => {
        if (tokens++) Date.now = () => now() - 3_600_000;
        return 'jwt';
      };
      const realtime = new RealtimeClient(url, { token });
      realtime.onError(({ code }) => console.log(code));
      realtime.on('enough', () => realtime.close());`);
    expect(output).toBe('unavailable\n');
    expect(code).toBe(0);
  });

  it('can end where a listener closes while the connection opens', async () => {
    server.greet = (peer) => peer.welcome({ expiresAt: Date.now() + 3_600_000, channels: { own: {} } });
    const { code, output } = await run(`
      const realtime = new RealtimeClient(url, { token: () => 'jwt' });
      const own = realtime.channel('own');
      own.onState(({ status }) => status === 'subscribed' && realtime.close());
      own.subscribe().catch(({ code }) => console.log(code));`);
    expect(output).toBe('unavailable\n');
    expect(code).toBe(0);
  });

  it('can end after the server stopped the client', async () => {
    server.greet = (peer) => {
      peer.welcome({ expiresAt: Date.now() + 3_600_000 });
      void peer.receive('$publish').then(() => peer.close(4403, 'disconnected'));
    };
    const { code, output } = await run(OPEN);
    expect(output).toBe('unavailable\nunavailable\n');
    expect(code).toBe(0);
  });

  it('can end after close() while it waits to ask for the members again', async () => {
    server.greet = (peer) => {
      peer.welcome();
      void (async () => {
        await peer.reply('$subscribe', { data: { channel: 'room:7' } });
        await peer.reply('$subscribe', { error: { code: 'unavailable', message: 'not now' } });
        peer.send({ event: 'enough' });
      })();
    };
    const { code } = await run(`
      const { presence } = await import(${JSON.stringify(new URL('./presence/index.ts', import.meta.url).href)});
      const realtime = new RealtimeClient(url);
      Math.random = () => 1_000;
      presence(realtime.channel('room:7')).on('change', () => undefined);
      realtime.on('enough', () => realtime.close());`);
    expect(code).toBe(0);
  });

  it('can end after close() while it waits for the next attempt', async () => {
    server.refusal = { status: 503, headers: { 'retry-after': '600' } };
    const { code } = await run(
      `${OPEN} realtime.onState(({ status }) => status === 'waiting' && realtime.close());`,
    );
    expect(code).toBe(0);
  });
});
