#!/usr/bin/env python3
"""Follows a channel of an Aerie server over a plain WebSocket, without an SDK.

It does by itself what docs/wire-protocol.md asks of a client: `Follower` keeps the position of its channel and
hands it in when it comes back, `main` decides when to come back, and when not to.

Needs the package `websockets`, 10 or newer (Debian: python3-websockets). Ctrl-C ends it.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import time
import urllib.error
import urllib.request

import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake

SUBPROTOCOL = "aerie.v1.json"
FIRST_WINDOW_S, WIDEST_WINDOW_S = 0.5, 20
WELCOME_WITHIN_S = 20
HTTP_WITHIN_S = 10
# After these, coming back changes nothing.
CLOSED_FOR_GOOD = {1000, 1008, 1009, 4403}
REFUSED_FOR_GOOD = {400, 401, 403, 404, 413}
CUT = 1006
SUBSCRIBE_ID = 1


class Stop(Exception):
    """The server said no, and would say so again."""


class Follower:
    """One channel, over however many connections."""

    def __init__(self, channel, on_publication, on_lost):
        self.channel = channel
        self.on_publication = on_publication
        self.on_lost = on_lost
        self.epoch = None
        self.offset = None

    def subscription(self):
        """What to send after each `$welcome`."""
        data = {"channel": self.channel}
        if self.epoch is not None:
            data["position"] = {"epoch": self.epoch, "offset": self.offset}
        return {"id": SUBSCRIBE_ID, "event": "$subscribe", "data": data}

    def take(self, frame):
        """Takes any frame of the server's; those it doesn't know may be from a newer one, and are nothing to it."""
        event, data = frame.get("event"), frame.get("data")
        if frame.get("id") == SUBSCRIBE_ID:
            self._subscribed(frame)
        elif event == "$resync" and data["channel"] == self.channel:
            self._start_anew(data)
        elif event == "$unsubscribed" and data["channel"] == self.channel:
            raise Stop(f"no longer in {self.channel}: {data['reason']}")
        elif frame.get("channel") == self.channel:
            self._publication(frame)

    def _subscribed(self, frame):
        if "error" in frame:
            code = frame["error"]["code"]
            if code in ("unavailable", "draining", "overloaded", "timeout", "internal"):
                raise ConnectionError(f"{self.channel}: {code}")  # another time
            raise Stop(f"{self.channel}: {code}")
        reply = frame["data"]
        if self.epoch is not None and not reply.get("recovered"):
            self._start_anew(reply)
        for publication in reply.get("publications", []):
            self._publication(publication)
        self.epoch, self.offset = reply.get("epoch"), reply.get("offset")

    def _publication(self, publication):
        self.offset = publication.get("offset", self.offset)
        self.on_publication(publication)

    def _start_anew(self, position):
        self.epoch, self.offset = position.get("epoch"), position.get("offset")
        self.on_lost()


class Connection:
    """One WebSocket, from the ticket to its end. `welcomed`: it got as far; `wait_until`: when the server wants it back."""

    def __init__(self, url, follower):
        self.url = url.rstrip("/")
        self.follower = follower
        self.welcomed = False
        self.wait_until = 0.0

    async def run(self, user):
        """Returns the close code, `CUT` where nobody said goodbye. Raises where there was no connection."""
        loop = asyncio.get_running_loop()
        ticket = await loop.run_in_executor(None, ticket_for, self.url, user)
        address = f"{self.url.replace('http', 'ws', 1)}/ws?ticket={ticket}"
        # The library pings: it notices a dead server by itself.
        async with websockets.connect(address, subprotocols=[SUBPROTOCOL], max_size=None) as socket:
            try:
                await asyncio.wait_for(self._welcome(socket), WELCOME_WITHIN_S)
                await socket.send(json.dumps(self.follower.subscription()))
                while True:
                    self._take(json.loads(await socket.recv()))
            except ConnectionClosed as closed:
                return CUT if closed.rcvd is None else closed.rcvd.code

    async def _welcome(self, socket):
        while not self.welcomed:
            frame = json.loads(await socket.recv())
            self.welcomed = frame.get("event") == "$welcome"
            self._take(frame)
        print(f"connected as {frame['data']['user']}", flush=True)

    def _take(self, frame):
        if frame.get("event") == "$reconnect":
            self.wait_until = time.monotonic() + frame["data"]["afterMs"] / 1000
        self.follower.take(frame)


def ticket_for(url, user):
    """A single-use ticket. Your backend would hand it out; in dev mode the server makes anybody a token."""
    token = os.environ.get("AERIE_TOKEN") or post(f"{url}/dev/tokens", {"user": user})["token"]
    return post(f"{url}/tickets", {}, {"Authorization": f"Bearer {token}"})["ticket"]


def post(url, body, headers=None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=HTTP_WITHIN_S) as response:
        return json.load(response)


def refused_with(error):
    """The HTTP status of a refusal, or None. `websockets` renamed its errors in version 13."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code
    response = getattr(error, "response", None)
    return getattr(response, "status_code", getattr(error, "status_code", None))


async def follow(url, user, follower):
    """Keeps a connection until the server says no. Raises `Stop`."""
    window = FIRST_WINDOW_S
    while True:
        connection = Connection(url, follower)
        try:
            code = await connection.run(user)
            if code in CLOSED_FOR_GOOD:
                raise Stop(f"closed with {code}")
            print(f"closed with {code}", flush=True)
        except (OSError, InvalidHandshake, ConnectionClosed, asyncio.TimeoutError) as error:
            if refused_with(error) in REFUSED_FOR_GOOD:
                raise Stop(f"refused with {refused_with(error)}") from None
            print(f"no connection: {type(error).__name__}", flush=True)
        if connection.welcomed:
            window = FIRST_WINDOW_S
        asked_for = max(0.0, connection.wait_until - time.monotonic())
        await asyncio.sleep(asked_for + random.uniform(0, window))
        window = min(window * 2, WIDEST_WINDOW_S)


async def main():
    options = argparse.ArgumentParser(description="Follows a channel of an Aerie server.")
    options.add_argument("--url", default="http://localhost:3000")
    options.add_argument("--user", default="python")
    options.add_argument("--channel", default="public:lobby")
    chosen = options.parse_args()

    def show(publication):
        print(f"{publication['event']} {json.dumps(publication.get('data'))}", flush=True)

    def lost():
        print("publications are lost: load the state anew", flush=True)

    task = asyncio.ensure_future(follow(chosen.url, chosen.user, Follower(chosen.channel, show, lost)))
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return 0
    except Stop as stop:
        print(stop)
        return 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
