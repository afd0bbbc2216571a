import { CLOSE_CODES } from './close-codes.js';
import { element } from './elements.js';
import { Pane } from './pane.js';
import { ServerApi } from './server-api.js';

const THEMES = ['auto', 'light', 'dark'];
const LOBBY = 'public:lobby';

const template = document.querySelector('#pane');
const panes = [
  new Pane(template, { user: 'alice', seat: 'a' }),
  new Pane(template, { user: 'bob', seat: 'b' }),
];
document.querySelector('#panes').append(...panes.map((pane) => pane.element));
document
  .querySelector('#start')
  .addEventListener('click', () => panes.forEach((pane) => void pane.start(LOBBY)));

document
  .querySelector('#codes')
  .append(
    ...[...CLOSE_CODES].map(([code, [when, then]]) =>
      element(
        'tr',
        {},
        element('td', { className: 'mono', textContent: code }),
        element('td', { textContent: when }),
        element('td', { textContent: then }),
      ),
    ),
  );

const serverApi = new ServerApi();
const { apiKey } = await fetch('/playground/config.json').then(
  (response) => response.json(),
  () => ({}),
);
if (apiKey) serverApi.useKey(apiKey);

const theme = document.querySelector('#theme');
theme.addEventListener('click', () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? 'auto') + 1) % THEMES.length];
  document.documentElement.dataset.theme = next;
  theme.textContent = `◐ ${next[0].toUpperCase()}${next.slice(1)}`;
  theme.ariaLabel = `Colours: ${next === 'auto' ? 'as the system' : next}`;
});
