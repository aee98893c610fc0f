import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionOptions, dialOptions } from "../../../src/bus/nats/target";

describe("nats: the servers of a dial", () => {
  it("are those that were given, and those that the client has learned of", () => {
    const options = connectionOptions("nats://a:1,b:2", "prefix");
    assert.deepEqual(dialOptions(options, ["c:3"]).servers, ["a:1", "b:2", "c:3"]);
  });

  it("are no others where the client is to ignore them", () => {
    const options = connectionOptions({ servers: "a:1", ignoreClusterUpdates: true }, "prefix");
    assert.deepEqual(dialOptions(options, ["c:3"]).servers, ["a:1"]);
  });

  it("are one on this machine where only a port was given, or nothing, and no port stands beside them", () => {
    const { port, servers } = dialOptions(connectionOptions({ port: 4333 }, "prefix"), ["c:3"]);
    assert.deepEqual([port, servers], [undefined, ["127.0.0.1:4333", "c:3"]]);
    assert.deepEqual(dialOptions(connectionOptions({}, "prefix"), []).servers, ["127.0.0.1:4222"]);
  });

  it("begin with another one behind each dial that failed", () => {
    const options = connectionOptions("nats://a:1,b:2", "prefix");
    assert.deepEqual(
      [1, 2, 3].map((failures) => dialOptions(options, ["c:3"], failures).servers),
      [
        ["b:2", "c:3", "a:1"],
        ["c:3", "a:1", "b:2"],
        ["a:1", "b:2", "c:3"],
      ],
    );
  });
});
