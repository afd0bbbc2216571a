import { element, parseJson } from './elements.js';
import { FrameLog } from './frame-log.js';
import { UserSocket } from './user-socket.js';

const PRESETS = {
  'a publication': {
    event: '$publish',
    data: { channel: 'public:lobby', event: 'say', data: { text: 'raw' } },
    id: 'raw-1',
  },
  'a request': { event: 'order.track', data: { id: 42 }, id: 'raw-2' },
  'a subscription': { event: '$subscribe', data: { channel: 'secret:plans' }, id: 'raw-3' },
  'a ping': { event: '$ping', id: 'raw-4' },
  'not JSON': '{"event": "say", ',
};

/** One user's side of the page. */
export class Pane {
  #socket = new UserSocket();
  #root;
  #log;
  #channels = new Set();
  #own;

  constructor(template, { user, seat }) {
    this.#root = template.content.firstElementChild.cloneNode(true);
    this.#root.dataset.seat = seat;
    this.#root.setAttribute('aria-label', `User ${user}`);
    this.#log = new FrameLog(this.#root.querySelector('.log'));
    this.#field('user').value = user;
    this.#find('.log-body').setAttribute('aria-label', `Frames of ${user}`);
    this.#find('.empty').textContent = `Connect to see what ${user} sends and receives.`;
    this.#wireConnection();
    this.#wireChannels();
    this.#wireComposer();
    this.#wireRaw();
    this.#showState({ state: 'idle', text: 'Not connected' });
    this.#showChannels();
  }

  get element() {
    return this.#root;
  }

  /** Connects and subscribes, for the page's one-click start. */
  async start(channel) {
    if (this.#socket.isOpen) return this.#subscribe(channel);
    const ready = new Promise((resolve) => {
      const settle = ({ detail }) => {
        if (detail.state !== 'ready' && detail.state !== 'closed') return;
        this.#socket.removeEventListener('state', settle);
        resolve(detail.state === 'ready');
      };
      this.#socket.addEventListener('state', settle);
    });
    this.#connect();
    if (await ready) await this.#subscribe(channel);
  }

  #wireConnection() {
    this.#onSubmit('.pane-head', () => (this.#socket.isOpen ? this.#socket.close() : this.#connect()));
    this.#field('user').addEventListener('input', () => this.#showUser());
    this.#socket.addEventListener('state', ({ detail }) => this.#showState(detail));
    this.#socket.addEventListener('frame', ({ detail }) => this.#log.frame(detail.direction, detail.text));
    this.#socket.addEventListener('note', ({ detail }) => this.#log.note(detail));
    this.#socket.addEventListener('message', ({ detail }) => this.#onMessage(detail));
    this.#showUser();
  }

  #wireChannels() {
    this.#onSubmit('.channels', () => void this.#subscribe(this.#field('channel').value.trim()));
  }

  #wireComposer() {
    this.#onSubmit('.composer', () => {
      const data = this.#field('data');
      const channel = this.#field('channel').value.trim();
      void this.#socket.request('$publish', {
        channel,
        event: this.#field('event').value,
        data: dataOf(data.value),
      });
      data.value = '';
      data.focus();
    });
    this.#find('.ping').addEventListener('click', () => void this.#socket.request('$ping'));
  }

  #wireRaw() {
    const preset = this.#field('preset');
    const frame = this.#field('frame');
    preset.append(...Object.keys(PRESETS).map((name) => element('option', { textContent: name })));
    const choose = () => {
      const chosen = PRESETS[preset.value];
      frame.value = typeof chosen === 'string' ? chosen : JSON.stringify(chosen, null, 2);
    };
    preset.addEventListener('change', choose);
    choose();
    this.#onSubmit('.raw form', () => this.#socket.sendText(frame.value));
  }

  #connect() {
    void this.#socket.connect(this.#field('user').value.trim(), this.#field('credential').value);
  }

  async #subscribe(channel) {
    const reply = await this.#socket.request('$subscribe', { channel });
    if (!reply || reply.error) return;
    this.#channels.add(channel);
    this.#showChannels();
  }

  async #unsubscribe(channel) {
    const reply = await this.#socket.request('$unsubscribe', { channel });
    if (!reply || reply.error) return;
    this.#channels.delete(channel);
    this.#showChannels();
  }

  #onMessage({ event, data, channel }) {
    if (event === '$welcome') this.#own = Object.keys(data?.channels ?? {});
    if (event === '$unsubscribed') this.#channels.delete(data?.channel ?? channel);
    if (event === '$welcome' || event === '$unsubscribed') this.#showChannels();
  }

  #showUser() {
    const user = this.#field('user').value.trim();
    this.#find('.avatar').textContent = (user[0] ?? '?').toUpperCase();
    this.#field('data').placeholder = user === '' ? 'Say something' : `Say something as ${user}`;
  }

  #showState({ state, text }) {
    const isOpen = state === 'authenticating' || state === 'ready';
    this.#root.dataset.state = state;
    this.#find('.state').dataset.state = state;
    this.#find('.state-text').textContent = text;
    this.#find('.state-text').title = text;
    this.#find('.connect').textContent = isOpen ? 'Disconnect' : 'Connect';
    this.#find('.connect').disabled = state === 'connecting';
    this.#field('user').disabled = this.#field('credential').disabled = isOpen || state === 'connecting';
    for (const control of this.#root.querySelectorAll('.channels button, .composer button, .raw button'))
      control.disabled = !isOpen;
    if (state === 'closed') this.#forgetChannels();
  }

  #forgetChannels() {
    this.#channels.clear();
    this.#own = [];
    this.#showChannels();
  }

  #showChannels() {
    const own = (this.#own ?? []).map((name) => chip(name));
    const joined = [...this.#channels].map((name) => chip(name, () => void this.#unsubscribe(name)));
    const chips = [...own, ...joined];
    this.#find('.chips').replaceChildren(
      ...(chips.length > 0 ? chips : [element('li', { className: 'none', textContent: 'In no channel' })]),
    );
  }

  #onSubmit(selector, act) {
    this.#find(selector).addEventListener('submit', (event) => {
      event.preventDefault();
      act();
    });
  }

  #find(selector) {
    return this.#root.querySelector(selector);
  }

  #field(name) {
    return this.#find(`[name=${name}]`);
  }
}

/** Without a way to leave it is the user's own channel, which the server keeps. */
function chip(name, leave) {
  const label = element('span', { className: 'mono', textContent: name, title: name });
  if (!leave) return element('li', { className: 'chip own' }, label);
  const button = element('button', {
    type: 'button',
    textContent: '×',
    ariaLabel: `Unsubscribe ${name}`,
    title: 'Unsubscribe',
  });
  button.addEventListener('click', leave);
  return element('li', { className: 'chip' }, label, button);
}

/** JSON where it is an object or a list, else a text. */
function dataOf(text) {
  const value = parseJson(text);
  return typeof value === 'object' && value !== null ? value : { text };
}
