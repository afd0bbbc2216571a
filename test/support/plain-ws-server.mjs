// What `ws` costs without anything around it: the measure that the gateway's memory is held against.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('message', () => undefined);
  socket.on('error', () => undefined);
});
http.listen(0, '127.0.0.1', () => process.send({ port: http.address().port }));
