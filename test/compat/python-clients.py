"""The Engine.IO and Socket.IO clients of Python, as a user's program has them.

    python-clients.py ENGINE_URL SOCKET_IO_URL

The first has an engine that echoes, text with " aé€😀" behind it, the second a Socket.IO server with an event "echo" that answers what it was sent. Says, a
line of JSON each, what every client got back and by which transport.
"""

import asyncio
import json
import sys
import threading

import engineio
import socketio

MESSAGES = 40
# On a machine that is busy with other tests.
WAIT = 90
TRANSPORTS = {
    "polls": ["polling"],
    "polls, then upgrades": ["polling", "websocket"],
    "has a websocket": ["websocket"],
}


def message(number):
    """Text and binary in turn. By POST the client can say no text but ASCII: it leaves the encoding to its HTTP library."""
    return "text %d" % number if number % 2 == 0 else bytes([0, 255, number])


def echo(number):
    """Of text with characters of one, two, three and four bytes behind it."""
    return "text %d aé€😀" % number if number % 2 == 0 else message(number)


def report(client, how, transport, got, sent):
    # The client hands each message to a thread of its own, so nobody knows in which order they are told.
    missing = [str(one) for one in sent if one not in got]
    print(json.dumps({"client": client, "how": how, "transport": transport, "missing": missing, "got": len(got)}), flush=True)


def engine(url, how, transports):
    client = engineio.Client(request_timeout=WAIT)
    got = []
    complete = threading.Event()

    @client.on("message")
    def on_message(data):
        got.append(data)
        if len(got) == MESSAGES:
            complete.set()

    client.connect(url, transports=transports, engineio_path="engine.io")
    for number in range(MESSAGES):
        client.send(message(number))
        # One message in a POST, and several.
        if number % 3 == 0:
            client.sleep(0.01)
    complete.wait(WAIT)
    report("engineio", how, client.transport(), got, [echo(number) for number in range(MESSAGES)])
    client.disconnect()


async def engine_async(url, how, transports):
    client = engineio.AsyncClient(request_timeout=WAIT)
    got = []
    complete = asyncio.Event()

    @client.on("message")
    async def on_message(data):
        got.append(data)
        if len(got) == MESSAGES:
            complete.set()

    await client.connect(url, transports=transports, engineio_path="engine.io")
    for number in range(MESSAGES):
        await client.send(message(number))
        if number % 3 == 0:
            await client.sleep(0.01)
    try:
        await asyncio.wait_for(complete.wait(), WAIT)
    except asyncio.TimeoutError:
        pass
    report("engineio, asyncio", how, client.transport(), got, [echo(number) for number in range(MESSAGES)])
    await client.disconnect()


def socket_io(url, how, transports):
    client = socketio.Client(request_timeout=WAIT)
    client.connect(url, transports=transports, socketio_path="engine.io", wait_timeout=WAIT)
    sent = [{"text": "a", "data": bytes([0, 255, number]), "number": number} for number in range(10)]
    got = [client.call("echo", one, timeout=WAIT) for one in sent]
    report("socketio", how, client.transport(), got, sent)
    client.disconnect()


def main():
    echoes, server = sys.argv[1:]
    for how, transports in TRANSPORTS.items():
        engine(echoes, how, transports)
        asyncio.run(engine_async(echoes, how, transports))
        socket_io(server, how, transports)


main()
