// Bun's own server and its native publish: the fastest that JavaScript offers. No authentication.
/* global Bun */
const server = Bun.serve({
  port: Number(process.env.PORT),
  hostname: '127.0.0.1',
  fetch(request) {
    return server.upgrade(request) ? undefined : new Response('upgrade', { status: 426 });
  },
  websocket: {
    message(socket, text) {
      const { event, data } = JSON.parse(text);
      if (event === 'subscribe') {
        socket.subscribe(data.channel);
        socket.send(JSON.stringify({ event: 'subscribed', data: { channel: data.channel } }));
      } else if (event === 'publish') {
        server.publish(
          data.channel,
          JSON.stringify({ event: 'say', channel: data.channel, data: { text: data.text } }),
        );
      } else socket.send(JSON.stringify({ event: 'echo', data }));
    },
  },
});
