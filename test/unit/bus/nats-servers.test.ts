import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NatsConnection, ServerInfo } from "nats";
import { dialsOf, learn, NOTHING_KNOWN, type Known } from "../../../src/bus/nats/servers";
import { connectionOptions } from "../../../src/bus/nats/target";

function connectedTo(server: string, info: Partial<ServerInfo>): Pick<NatsConnection, "info" | "getServer"> {
  return { info: info as ServerInfo, getServer: () => server };
}

describe("nats: what a connection has told of its cluster", () => {
  const connect_urls = ["10.0.0.1:4222", "10.0.0.2:4222"];

  it("is the other servers, and the name that their certificates are held against", () => {
    const first = learn(NOTHING_KNOWN, connectedTo("nats.example:4222", { connect_urls, tls_required: true }));
    assert.deepEqual(first, { learned: connect_urls, name: "nats.example" });
    for (const address of ["10.0.0.2:4222", "[fd00::2]:4222"]) {
      const next = learn(first, connectedTo(address, { tls_available: true }));
      assert.deepEqual(next, first, "an address is no name, and one that tells nothing is no news");
    }
  });

  it("has no name where there is no TLS", () => {
    const known = { learned: [], name: "nats.example" };
    assert.equal(learn(known, connectedTo("nats.example:4222", {})).name, "");
  });
});

describe("nats: the dials of one try", () => {
  const known: Known = { learned: ["10.0.0.1:4222", "[fd00::2]:4222", "b.example:4222"], name: "a.example" };

  function dials(target: Parameters<typeof connectionOptions>[0], more: Partial<Known> = {}, failures = 0): unknown[] {
    const all = dialsOf(connectionOptions(target, "prefix"), { ...known, ...more }, failures);
    return all.map(({ servers, tls }) => [servers, tls]);
  }

  it("give those that are learned addresses the name, and the others none", () => {
    const tls = { ca: "x" };
    assert.deepEqual(dials({ servers: "tls://a.example:4222", tls }), [
      [["a.example:4222"], tls],
      [["10.0.0.1:4222", "[fd00::2]:4222"], { ca: "x", servername: "a.example" }],
      [["b.example:4222"], tls],
    ]);
    assert.deepEqual(dials({ servers: "tls://a.example:4222", tls }, {}, 2), [
      [["[fd00::2]:4222"], { ca: "x", servername: "a.example" }],
      [["b.example:4222", "a.example:4222"], tls],
      [["10.0.0.1:4222"], { ca: "x", servername: "a.example" }],
    ]);
  });

  it("leave an address that was given as it was given, and a name that was set", () => {
    assert.deepEqual(dials("10.0.0.1:4222", { learned: ["10.0.0.1:4222"] }), [
      [["10.0.0.1:4222", "10.0.0.1:4222"], undefined],
    ]);
    const tls = { ca: "x", servername: "set.example" };
    assert.deepEqual(dials({ servers: "a.example", tls }, { learned: ["10.0.0.1:4222"] }).at(-1), [
      ["10.0.0.1:4222"],
      tls,
    ]);
  });

  it("are one where no name is needed", () => {
    const all = ["a.example:4222", ...known.learned];
    assert.deepEqual(dials("a.example:4222", { name: "" }), [[all, undefined]]);
    assert.deepEqual(dials({ servers: "a.example:4222", tls: null }), [[all, null]]);
    assert.deepEqual(dials({ servers: "a.example:4222", ignoreClusterUpdates: true, tls: {} }), [
      [["a.example:4222"], {}],
    ]);
  });
});
