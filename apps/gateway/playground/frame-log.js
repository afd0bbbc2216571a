import { element, parseJson } from './elements.js';

const MAX_FRAMES = 500;
const PREVIEW_CHARACTERS = 240;
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const bytes = new TextEncoder();

/** The last 500 frames of one connection, newest at the bottom. Follows new ones until somebody scrolls up. */
export class FrameLog {
  #body;
  #list;
  #count;
  #empty;

  constructor(root) {
    this.#body = root.querySelector('.log-body');
    this.#list = root.querySelector('.frames');
    this.#count = root.querySelector('.count');
    this.#empty = root.querySelector('.empty');
    const filter = root.querySelector('[name=filter]');
    filter.addEventListener('change', () => this.#show(filter.value));
    root.querySelector('.clear').addEventListener('click', () => this.clear());
    this.clear();
  }

  /** One frame as it went over the wire; `direction` is `in` or `out`. */
  frame(direction, text) {
    const value = parseJson(text);
    const kind = kindOf(value, direction);
    this.#add(
      element(
        'li',
        { className: 'frame', dataset: { direction, kind } },
        row({ direction, text, value, kind }),
      ),
    );
  }

  /** Something about the connection itself. */
  note(text, kind = 'note') {
    this.#add(
      element('li', { className: 'note', dataset: { kind } }, element('time', { textContent: now() }), text),
    );
  }

  clear() {
    this.#list.replaceChildren();
    this.#changed();
  }

  #add(item) {
    const follows = this.#body.scrollHeight - this.#body.scrollTop - this.#body.clientHeight < 40;
    this.#list.append(item);
    while (this.#list.childElementCount > MAX_FRAMES) this.#list.firstElementChild.remove();
    this.#changed();
    if (follows) this.#body.scrollTop = this.#body.scrollHeight;
  }

  #changed() {
    const count = this.#list.querySelectorAll('.frame').length;
    this.#count.textContent = count === 0 ? 'No frames' : count === 1 ? '1 frame' : `${count} frames`;
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  #show(filter) {
    this.#list.dataset.filter = filter;
    this.#body.scrollTop = this.#body.scrollHeight;
  }
}

function row({ direction, text, value, kind }) {
  const full = element('pre', { className: 'mono' });
  const details = element(
    'details',
    {},
    element(
      'summary',
      {},
      element('time', { textContent: now() }),
      element('span', {
        className: 'arrow',
        textContent: direction === 'in' ? '↓' : '↑',
        title: direction === 'in' ? 'received' : 'sent',
      }),
      element('span', { className: 'event', textContent: titleOf(value, kind) }),
      element('span', { className: 'preview', textContent: previewOf(value, text) }),
      element('span', { className: 'size', textContent: sizeOf(text) }),
    ),
    full,
  );
  details.addEventListener('toggle', () => {
    full.textContent = value === undefined ? text : JSON.stringify(withoutSecrets(value), null, 2);
  });
  return details;
}

function kindOf(value, direction) {
  if (value === undefined || value === null || typeof value !== 'object') return 'error';
  if (value.error) return 'error';
  if (direction === 'in' && value.channel && !value.event?.startsWith('$')) return 'publication';
  if (value.event?.startsWith('$')) return 'system';
  return value.event === undefined ? 'reply' : 'direct';
}

function titleOf(value, kind) {
  if (kind === 'error') return value?.error ? value.error.code : 'not JSON';
  if (kind === 'reply') return `reply ${value.id ?? ''}`;
  return value.channel ? `${value.event} · ${value.channel}` : value.event;
}

function previewOf(value, text) {
  if (value === undefined) return text.slice(0, PREVIEW_CHARACTERS);
  const shown = withoutSecrets(value);
  const { data, error } = shown;
  const from = shown.from === undefined ? '' : `${shown.from}: `;
  const body = error ? error.message : data === undefined ? '' : JSON.stringify(data);
  return (from + body).slice(0, PREVIEW_CHARACTERS);
}

/** Tokens are shown by their beginning and length only: a page that is shared on a screen gives nothing away. */
function withoutSecrets(value) {
  const { token, ticket } = value?.data ?? {};
  const hidden = Object.entries({ token, ticket }).filter(([, secret]) => typeof secret === 'string');
  if (hidden.length === 0) return value;
  const masked = hidden.map(([name, secret]) => [
    name,
    `${secret.slice(0, 8)}… (${secret.length} characters)`,
  ]);
  return { ...value, data: { ...value.data, ...Object.fromEntries(masked) } };
}

function sizeOf(text) {
  const size = bytes.encode(text).byteLength;
  return size < 1024 ? `${size} B` : `${(size / 1024).toFixed(1)} KiB`;
}

function now() {
  const time = new Date();
  return `${clock.format(time)}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}
