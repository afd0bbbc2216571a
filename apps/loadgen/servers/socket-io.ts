import { createServer } from 'node:http';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

// Socket.IO with rooms, WebSocket only: what its documentation recommends where sticky sessions are unwanted. With REDIS_URL
// its Redis adapter joins several servers.

interface Publication {
  readonly channel: string;
  readonly text: string;
}

const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });
const redisUrl = process.env['REDIS_URL'];
if (redisUrl !== undefined) {
  const { createAdapter } = await import('@socket.io/redis-adapter');
  const publisher = new Redis(redisUrl);
  io.adapter(createAdapter(publisher, publisher.duplicate()));
}

io.on('connection', (socket) => {
  socket.on('subscribe', async ({ channel }: Publication) => {
    await socket.join(channel);
    socket.emit('subscribed', { channel });
  });
  socket.on('publish', ({ channel, text }: Publication) => io.to(channel).emit('say', { channel, text }));
  socket.on('echo', (data: unknown) => socket.emit('echo', data));
});

http.listen(Number(process.env['PORT']), '127.0.0.1');
