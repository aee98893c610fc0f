"use strict";

/* global TextEncoder, atob */

// Runs in a page that has loaded a stock client, 6 or 3: see browser-clients.test.ts. As a file, since what is compiled for Node
// does not run there.

/**
 * Sends numbered messages, text and binary in turn, so many at a time, until all have come back and the client is on the
 * transport where it should be. Of what came binary is shown as its bytes in hexadecimal.
 */
globalThis.runClient = ({ url, options, transport, count, window }) =>
  new Promise((done, fail) => {
    const client = globalThis.eio(url, options);
    const got = [];
    const transports = [];
    let sent = 0;
    const send = () => {
      const text = `é€😀\n${sent}`;
      // Client 3 sends other views of bytes as base64.
      client.send(sent++ % 2 === 0 ? text : new TextEncoder().encode(text).buffer);
    };
    const bytesOf = (data) => {
      if (data instanceof ArrayBuffer) return new Uint8Array(data);
      // Where a page may have no bytes, client 3 gives base64.
      return Uint8Array.from(atob(data.data), (character) => character.charCodeAt(0));
    };
    const shown = (data) =>
      typeof data === "string"
        ? data
        : `bytes ${Array.from(bytesOf(data), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    const end = () => {
      const { id } = client;
      client.off("close");
      client.close();
      done({ got, transports, id });
    };
    client.on("open", () => {
      transports.push(client.transport.name);
      for (let i = 0; i < window; i++) send();
    });
    client.on("upgrade", () => transports.push(client.transport.name));
    client.on("close", (reason) => fail(new Error(`closed: ${reason} after ${got.length}`)));
    client.on("message", (data) => {
      got.push(shown(data));
      // More of them where it is not yet where it should be: an upgrade takes as long as it takes.
      if (sent < count || client.transport.name !== transport) send();
      else if (got.length === sent) end();
    });
  });
