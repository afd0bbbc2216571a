import { randomBytes } from 'node:crypto';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface UpgradeAnswer {
  readonly status: number;
  /** Lower-case names; what came more than once is joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed where it is JSON, else the text. Empty after a 101. */
  readonly body: unknown;
}

export interface ProbeOptions {
  /** Goes out as `Authorization: Bearer`. */
  readonly token?: string;
  readonly protocols?: readonly string[];
  /** Added to a well-formed upgrade, in place of a header of the same name. An array sends one line each, `undefined` none. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly method?: string;
  /** Default 15,000 ms. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 15_000;
const END_OF_HEADERS = '\r\n\r\n';
const CHUNKED = /^transfer-encoding: *chunked/im;
const LAST_CHUNK = '0\r\n\r\n';

/**
 * Asks for an upgrade over a bare socket and tells what a WebSocket client hides: status, headers and body of the answer.
 * Headers go out verbatim, duplicates and nonsense included. After a 101 the socket is dropped.
 */
export async function probeUpgrade(url: string, options: ProbeOptions = {}): Promise<UpgradeAnswer> {
  const target = new URL(url);
  const socket = socketTo(target);
  socket.setTimeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, () => socket.destroy(new Error('no answer')));
  socket.write(upgradeRequest(`${target.pathname}${target.search}`, target.host, options));
  let received = '';
  try {
    for await (const chunk of socket) {
      received += (chunk as Buffer).toString('latin1');
      if (isWhole(received)) break;
    }
  } finally {
    socket.destroy();
  }
  return parseAnswer(received);
}

/** A bare socket to whoever a URL names, with TLS where that says so. */
function socketTo({ protocol, hostname, port }: URL): Socket {
  const host = hostname.replaceAll(/[[\]]/g, '');
  if (!/^(wss|https):$/.test(protocol)) return connect(Number(port || 80), host);
  return connectTls({ host, port: Number(port || 443), ...(isIP(host) === 0 && { servername: host }) });
}

/** The text of an upgrade request, for whoever wants to send it in pieces. */
export function upgradeRequest(target: string, host: string, options: ProbeOptions = {}): string {
  const { token, protocols, headers = {}, method = 'GET' } = options;
  const defaults: ProbeOptions['headers'] = {
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(protocols !== undefined && { 'sec-websocket-protocol': protocols.join(', ') }),
  };
  const lines = Object.entries({ ...defaults, ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}`),
  );
  return [`${method} ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

// A proxy may keep the connection: then the answer says by itself where it ends.
function isWhole(received: string): boolean {
  const end = received.indexOf(END_OF_HEADERS);
  if (end < 0) return false;
  const head = received.slice(0, end);
  const body = received.slice(end + END_OF_HEADERS.length);
  if (/^HTTP\/1\.1 (101|204|304)/.test(head)) return true;
  if (CHUNKED.test(head)) return body.endsWith(LAST_CHUNK);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  return length !== undefined && body.length >= Number(length);
}

function parseAnswer(received: string): UpgradeAnswer {
  const [head = '', ...rest] = received.split(END_OF_HEADERS);
  const [statusLine = '', ...lines] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error('the socket ended without an HTTP answer');
  const sent = rest.join(END_OF_HEADERS);
  const body = CHUNKED.test(head) ? withoutChunks(sent) : sent;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { status, headers, body: status === 101 ? '' : parseBody(body) };
}

function withoutChunks(body: string): string {
  let text = '';
  for (let rest = body; rest !== '';) {
    const [line = ''] = rest.split('\r\n', 1);
    const from = line.length + 2;
    const size = Number.parseInt(line, 16);
    text += rest.slice(from, from + size);
    rest = size > 0 ? rest.slice(from + size + 2) : '';
  }
  return text;
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
