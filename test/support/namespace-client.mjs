// Runs in a network namespace of its own: opens `COUNT` connections, says so, and holds them.
import { WebSocket } from 'ws';

const { URL: url, TOKEN: token, COUNT: count } = process.env;
const open = () =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
    socket
      .once('open', resolve)
      .once('error', reject)
      .on('error', () => undefined);
  });
await Promise.all(Array.from({ length: Number(count) }, open));
console.log('open');
