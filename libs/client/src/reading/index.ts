export { history, type HistoryOptions, type HistoryPage } from './history.js';
export { publications } from './publications.js';
export { stream } from './stream.js';
