import { type WebSocket, WebSocketServer } from 'ws';

// The peer that all ratios refer to: `ws` as its own documentation shows it, with a set of sockets per channel and a send
// loop. No authentication, no heartbeat, no metrics.

interface Message {
  readonly event: string;
  readonly data: { readonly channel: string; readonly text: string };
}

const members = new Map<string, Set<WebSocket>>();
const server = new WebSocketServer({ port: Number(process.env['PORT']), host: '127.0.0.1', path: '/ws' });

server.on('connection', (socket) => {
  const joined = new Set<string>();
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Message;
    if (message.event === 'subscribe') join(socket, joined, message.data.channel);
    else if (message.event === 'publish') broadcast(message.data);
    else socket.send(JSON.stringify({ event: 'echo', data: message.data }));
  });
  socket.on('close', () => {
    for (const channel of joined) leave(socket, channel);
  });
});

function join(socket: WebSocket, joined: Set<string>, channel: string): void {
  joined.add(channel);
  const sockets = members.get(channel) ?? new Set();
  members.set(channel, sockets.add(socket));
  socket.send(JSON.stringify({ event: 'subscribed', data: { channel } }));
}

function leave(socket: WebSocket, channel: string): void {
  const sockets = members.get(channel);
  sockets?.delete(socket);
  if (sockets?.size === 0) members.delete(channel);
}

function broadcast({ channel, text }: Message['data']): void {
  const frame = JSON.stringify({ event: 'say', channel, data: { text } });
  for (const socket of members.get(channel) ?? []) socket.send(frame);
}
