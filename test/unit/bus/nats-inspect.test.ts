import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ServerInfo } from "nats";
import { inspectServer, LEAST_PAYLOAD } from "../../../src/bus/nats/inspect";

function info(given: Partial<ServerInfo>): ServerInfo {
  return { headers: true, max_payload: 1_048_576, ...given } as ServerInfo;
}

describe("a NATS server is inspected", () => {
  test("one as it comes is fit, and one that says nothing of itself is let pass", () => {
    inspectServer(info({}));
    inspectServer(info({ max_payload: LEAST_PAYLOAD }));
    inspectServer(undefined);
  });

  test("a small max_payload is refused, and the error says what to set", () => {
    assert.throws(() => inspectServer(info({ max_payload: LEAST_PAYLOAD - 1 })), /4095 bytes.*set max_payload.*4096/);
  });

  test("headers turned off are refused", () => {
    assert.throws(() => inspectServer(info({ headers: false })), /no_header_support/);
  });
});
