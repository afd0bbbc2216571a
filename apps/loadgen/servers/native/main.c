/* The peer of the benchmark that costs least: one thread, epoll, and one `write` for each receiver of a publication. No
 * authentication, no heartbeat, no metrics. It speaks as plain-ws.ts does, at ws://127.0.0.1:$PORT/ws. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "client.h"

enum { EVENTS = 512 };

int epoll_fd;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int listen_at(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(fd, SOMAXCONN) < 0) fail("listen");
  return fd;
}

static void accept_clients(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) begin_client(fd);
    else if (errno == EAGAIN) return;
    else if (errno != EINTR && errno != ECONNABORTED) fail("accept");
  }
}

int main(void) {
  const char *port = getenv("PORT");
  if (port == NULL) {
    fprintf(stderr, "PORT is missing\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  int listener = listen_at(atoi(port));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll_ctl");
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, -1);
    for (int at = 0; at < count; at += 1) {
      if (events[at].data.ptr == NULL) accept_clients(listener);
      else serve_client(events[at].data.ptr, events[at].events);
    }
    bury_clients();
  }
}
