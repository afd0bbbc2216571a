import { explainClose } from './close-codes.js';
import { parseJson } from './elements.js';

const SUBPROTOCOL = 'aerie.v1.json';
const REPLY_TIMEOUT_MS = 10_000;
const QUERY_TOKEN_SECONDS = 60;

/**
 * One user's WebSocket, by hand: what the SDK does for an application, laid open. Events: `state` (idle, connecting,
 * authenticating, ready, closed), `frame` (direction, text), `message` (the parsed frame), `note`.
 */
export class UserSocket extends EventTarget {
  #socket;
  #nextId = 1;
  #pending = new Map();

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Fetches a token for `user` and connects with it, the way `credential` says. */
  async connect(user, credential) {
    this.#state('connecting', 'Fetching a token…');
    try {
      const token = credential === 'none' ? undefined : await fetchToken(user, credential);
      this.#open(token, credential);
    } catch (error) {
      this.#state('closed', error.message);
    }
  }

  close() {
    this.#socket?.close(1000, 'bye');
  }

  /** Sends a message with an id; resolves with its reply, undefined where none came. */
  request(event, data) {
    const id = this.#nextId;
    this.#nextId += 1;
    const reply = new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, undefined), REPLY_TIMEOUT_MS);
      this.#pending.set(id, { resolve, timer });
    });
    this.sendText(JSON.stringify({ event, data, id }));
    return reply;
  }

  /** Sends any text as one frame. */
  sendText(text) {
    if (!this.isOpen) return this.#tell('note', 'Not connected: nothing was sent.');
    this.#socket.send(text);
    this.#tell('frame', { direction: 'out', text });
  }

  #open(token, credential) {
    const query = credential === 'query' ? `?token=${encodeURIComponent(token)}` : '';
    const address = new URL(`/ws${query}`, location.href.replace(/^http/, 'ws'));
    const offers = credential === 'subprotocol' ? [SUBPROTOCOL, `aerie.bearer.${token}`] : [SUBPROTOCOL];
    const socket = new WebSocket(address, offers);
    this.#socket = socket;
    this.#state('connecting', 'Upgrading…');
    let wasOpen = false;
    socket.addEventListener('open', () => {
      wasOpen = true;
      this.#tell('note', `Open, by ${credentialName(credential)}`);
      this.#state(
        'authenticating',
        credential === 'none' ? 'Open, waiting to be thrown out…' : 'Open, authenticating…',
      );
      if (credential === 'message')
        this.sendText(JSON.stringify({ event: '$auth', data: { token }, id: this.#nextId++ }));
    });
    socket.addEventListener('message', ({ data }) => this.#receive(String(data)));
    socket.addEventListener(
      'close',
      ({ code, reason }) => void this.#closed(code, reason, { token, wasOpen }),
    );
  }

  #receive(text) {
    this.#tell('frame', { direction: 'in', text });
    const frame = parseJson(text);
    if (typeof frame !== 'object' || frame === null) return;
    if (frame.event === '$welcome') this.#welcome(frame.data);
    if (frame.event === '$reconnect')
      this.#tell('note', `The server asks to reconnect in ${frame.data?.afterMs} ms.`);
    if (frame.id !== undefined) this.#settle(frame.id, frame);
    this.#tell('message', frame);
  }

  #welcome({ user, node, expiresAt }) {
    const until = expiresAt ? `, until ${new Date(expiresAt).toLocaleTimeString('en-GB')}` : '';
    this.#state('ready', `Connected as ${user} to ${node}${until}`);
  }

  async #closed(code, reason, { token, wasOpen }) {
    for (const id of [...this.#pending.keys()]) this.#settle(id, undefined);
    const why = code === 1006 && !wasOpen ? await whyRefused(token) : undefined;
    const text = why ?? explainClose(code, reason);
    this.#tell('note', text);
    this.#state('closed', text);
  }

  #settle(id, reply) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.resolve(reply);
  }

  #state(state, text) {
    this.#tell('state', { state, text });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

async function fetchToken(user, credential) {
  const body = { user, ...(credential === 'query' && { expiresInSeconds: QUERY_TOKEN_SECONDS }) };
  const response = await fetch('/dev/tokens', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(`No token: ${response.status} ${answer.error?.message ?? ''}`);
  return answer.token;
}

/** A browser does not say why an upgrade failed; the same path over plain HTTP does. */
async function whyRefused(token) {
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch('/ws', { headers });
    if (response.status === 426) return undefined;
    const { error } = await response.json();
    return `Refused with ${response.status} ${error.code}: ${error.message}.`;
  } catch {
    return 'No answer: the gateway is not there.';
  }
}

function credentialName(credential) {
  return (
    { message: 'first message', subprotocol: 'token in the subprotocol', query: 'token in the query' }[
      credential
    ] ?? 'nothing'
  );
}
