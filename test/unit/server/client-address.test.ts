import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TrustProxy } from "../../../src/limit-options";
import { ClientAddress, countedAddress } from "../../../src/server/client-address";

function of(trust: TrustProxy, peer: string | undefined, forwarded?: string): string | undefined {
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  return new ClientAddress(trust).of({ headers, socket: { remoteAddress: peer } });
}

describe("the address of a client", () => {
  for (const [trust, peer, forwarded, expected] of [
    [false, "9.9.9.9", "1.1.1.1", "9.9.9.9"],
    [false, undefined, "1.1.1.1", undefined],
    [0, "9.9.9.9", "1.1.1.1", "9.9.9.9"],
    [1, "9.9.9.9", "1.1.1.1, 2.2.2.2", "2.2.2.2"],
    [2, "9.9.9.9", "1.1.1.1, 2.2.2.2", "1.1.1.1"],
    [5, "9.9.9.9", "1.1.1.1,2.2.2.2", "1.1.1.1"],
    [1, "9.9.9.9", undefined, "9.9.9.9"],
    [1, "9.9.9.9", "1.1.1.1, garbage", "9.9.9.9"],
    [1, "9.9.9.9", "", "9.9.9.9"],
    [1, "9.9.9.9", "1.1.1.1:4711", "1.1.1.1"],
    [1, "9.9.9.9", "[2001:db8::1]:4711", "2001:db8::1"],
    ["9.9.9.9", "9.9.9.9", "1.1.1.1, 2.2.2.2", "2.2.2.2"],
    ["9.9.9.9", "8.8.8.8", "1.1.1.1", "8.8.8.8"],
    [["9.9.9.0/24", "2.2.0.0/16"], "9.9.9.1", "0.0.0.0, 1.1.1.1, 2.2.2.2", "1.1.1.1"],
    ["loopback, uniquelocal", "127.0.0.1", "1.1.1.1, 10.4.5.6", "1.1.1.1"],
    ["loopback", "::1", "1.1.1.1", "1.1.1.1"],
    ["loopback", "::ffff:127.0.0.1", "1.1.1.1", "1.1.1.1"],
    ["fc00::/7", "fd00::1", "1.1.1.1", "1.1.1.1"],
    // A unix socket is no hop.
    [0, undefined, "1.1.1.1, 2.2.2.2", "2.2.2.2"],
    [1, undefined, "1.1.1.1, 2.2.2.2", "1.1.1.1"],
    ["loopback", "", "1.1.1.1, 127.0.0.1", "1.1.1.1"],
    [0, undefined, undefined, undefined],
  ] as const) {
    it(`is ${String(expected)}: ${String(peer)} says ${String(forwarded)}, trusted is ${JSON.stringify(trust)}`, () => {
      assert.equal(of(trust, peer, forwarded), expected);
    });
  }

  for (const [address, expected] of [
    ["1.2.3.4", "1.2.3.4"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::FFFF:1.2.3.4", "1.2.3.4"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:0DB8:0001:0002::6", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["::", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["64:ff9b::1.2.3.4", "64:ff9b:0:0"],
    ["1:2:3::4:5:6:7", "1:2:3:0"],
  ] as const) {
    it(`${address} is counted as ${expected}`, () => {
      assert.equal(countedAddress(address), expected);
    });
  }
});
