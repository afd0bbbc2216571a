/**
 * The preStop hook: has the gateway of this pod give its connections away and waits for the end. Always exits 0: a hook
 * that fails makes Kubernetes no wiser and the pod no better.
 */
import { request } from 'node:http';

const MARGIN_MS = 10_000;

function numberFrom(name: string, fallback: number): number {
  const text = process.env[name]?.trim() ?? '';
  const value = Number(text);
  return text === '' || !Number.isFinite(value) ? fallback : value;
}

/** Resolves with what became of it, for the log. */
function drainGateway(port: number, limitMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/internal/drain?wait=1',
      agent: false,
    });
    const timer = setTimeout(() => call.destroy(new Error(`not drained within ${limitMs} ms`)), limitMs);
    call.on('response', (response) => {
      response.resume().on('close', () => resolve(answerOf(response.statusCode)));
    });
    call.on('error', reject).on('close', () => clearTimeout(timer));
    call.end();
  });
}

function answerOf(status: number | undefined): string {
  return status === 200 ? 'drained' : `the gateway answered ${status ?? 'nothing'}`;
}

const port = numberFrom('INTERNAL_PORT', numberFrom('PORT', 3_000) + 1);
const limitMs = numberFrom('DRAIN_WINDOW_MS', 30_000) + numberFrom('DRAIN_LAME_DUCK_MS', 0) + MARGIN_MS;
try {
  console.log(await drainGateway(port, limitMs));
} catch (error) {
  console.log(`nothing to wait for: ${error instanceof Error ? error.message : String(error)}`);
}
