import { element, parseJson } from './elements.js';

const OPERATIONS = {
  publish: ['POST', { channel: 'public:lobby', event: 'say', data: { text: 'hello from the backend' } }],
  broadcast: ['POST', { event: 'announcement', data: { text: 'to everybody' } }],
  disconnect: ['POST', { user: 'bob', reconnect: false }],
  unsubscribe: ['POST', { user: 'bob', channel: 'public:lobby' }],
  revoke: ['POST', () => ({ user: 'bob', issuedBefore: Date.now() })],
  connections: ['GET', { user: 'alice' }],
  info: ['GET', {}],
};

/** The box that calls the server API, and shows the same call as curl. */
export class ServerApi {
  #form = document.querySelector('#server-form');
  #hint = this.#form.querySelector('.hint');

  constructor() {
    const { operation } = this.#form.elements;
    const options = Object.entries(OPERATIONS).map(([name, [method]]) =>
      element('option', { value: name, textContent: `${method} /api/${name}` }),
    );
    operation.append(...options);
    operation.addEventListener('change', () => this.#choose());
    this.#form.addEventListener('input', () => this.#showCurl());
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send();
    });
    document.querySelector('#copy').addEventListener('click', ({ target }) => void this.#copy(target));
    this.#choose();
  }

  /** Fills in the key that the gateway generated for this machine. */
  useKey(key) {
    this.#form.elements.key.value = key;
    this.#showCurl();
  }

  #choose() {
    const [method, example] = OPERATIONS[this.#form.elements.operation.value];
    const value = typeof example === 'function' ? example() : example;
    this.#form.elements.input.value = JSON.stringify(value, null, 2);
    this.#form.querySelector('.input-name').textContent = method === 'GET' ? 'Query, as JSON' : 'Body';
    this.#showCurl();
  }

  #call() {
    const { operation, key, input } = this.#form.elements;
    const [method] = OPERATIONS[operation.value];
    const value = parseJson(input.value);
    const query = method === 'GET' && value ? `?${new URLSearchParams(value)}` : '';
    return {
      method,
      url: `${location.origin}/api/${operation.value}${query === '?' ? '' : query}`,
      key: key.value.trim(),
      body: method === 'POST' ? input.value.trim() : undefined,
      isJson: value !== undefined,
    };
  }

  #showCurl() {
    const { method, url, key, body, isJson } = this.#call();
    const lines = [
      `curl ${method === 'GET' ? '' : '-X POST '}${quoted(url)}`,
      `-H ${quoted(`authorization: Bearer ${key || '<API key>'}`)}`,
    ];
    if (body !== undefined) lines.push(`-H 'content-type: application/json'`, `-d ${quoted(compact(body))}`);
    document.querySelector('#curl').textContent = lines.join(' \\\n  ');
    this.#hint.textContent = isJson ? '' : 'This is not JSON; it will be sent as it is.';
  }

  async #send() {
    const { method, url, key, body } = this.#call();
    const started = performance.now();
    const headers = {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    try {
      const response = await fetch(url, { method, headers, body });
      const text = await response.text();
      this.#showAnswer(response, text, performance.now() - started);
    } catch (error) {
      this.#showAnswer({ ok: false, status: 'no answer' }, error.message, performance.now() - started);
    }
  }

  #showAnswer({ ok, status }, text, elapsedMs) {
    const value = parseJson(text);
    document.querySelector('#answer').textContent =
      value === undefined ? text : JSON.stringify(value, null, 2);
    const badge = document.querySelector('#status');
    badge.textContent = `${status} · ${Math.round(elapsedMs)} ms`;
    badge.dataset.ok = String(ok);
  }

  async #copy(button) {
    await navigator.clipboard.writeText(document.querySelector('#curl').textContent);
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 1_500);
  }
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function compact(text) {
  const value = parseJson(text);
  return value === undefined ? text : JSON.stringify(value);
}
