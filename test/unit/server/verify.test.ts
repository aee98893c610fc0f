import assert from "node:assert/strict";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ErrorCode, type Refusal } from "../../../src/errors";
import { resolveOptions, type AllowRequest, type ResolvedOptions } from "../../../src/options";
import type { Revision, TransportName } from "../../../src/protocol/names";
import { parseQuery } from "../../../src/server/query";
import { verify, type KnownSession, type KnownSessions } from "../../../src/server/verify";
import type { EngineRequest } from "../../../src/transports/request";

interface Given {
  readonly query?: string;
  readonly method?: string;
  readonly origin?: string;
  readonly upgrade?: boolean;
  readonly allow?: AllowRequest;
  readonly known?: KnownSessions;
}

interface Outcome {
  readonly request: EngineRequest;
  readonly verdicts: (Refusal | undefined)[];
}

function on(name: TransportName, protocol: Revision = 4): KnownSession {
  return { transport: { name }, protocol };
}

const HANDSHAKE = "EIO=4&transport=polling";

function judge({
  query = HANDSHAKE,
  method = "GET",
  origin,
  upgrade = false,
  allow,
  known = () => undefined,
}: Given): Outcome {
  const request: EngineRequest = Object.assign(new IncomingMessage(new Socket()), {
    method,
    headers: origin === undefined ? {} : { origin },
    _query: parseQuery(`/?${query}`),
    res: null,
  });
  const options: ResolvedOptions = { ...resolveOptions({}), transports: ["polling", "websocket"], allowRequest: allow };
  const verdicts: (Refusal | undefined)[] = [];
  verify(request, upgrade, options, known, (refusal) => verdicts.push(refusal));
  return { request, verdicts };
}

function codes(given: Given): (number | undefined)[] {
  return judge(given).verdicts.map((refusal) => refusal?.code);
}

function nameOf(given: Given): unknown {
  return judge(given).verdicts[0]?.context["name"];
}

/** One flaw for each guard, in the order in which the guards stand. */
const HANDSHAKE_FLAWS = [
  { code: ErrorCode.UNKNOWN_TRANSPORT, flaw: { query: "EIO=4&transport=carrier-pigeon" } },
  { code: ErrorCode.BAD_REQUEST, flaw: { origin: "http://a\u0001" } },
  { code: ErrorCode.BAD_HANDSHAKE_METHOD, flaw: { method: "POST" } },
  {
    code: ErrorCode.FORBIDDEN,
    flaw: {
      allow: ((_request, decide) => {
        decide("no", false);
      }) satisfies AllowRequest,
    },
  },
] as const;

describe("verify", () => {
  it("lets a handshake pass", () => {
    assert.deepEqual(codes({}), [undefined]);
    assert.deepEqual(codes({ origin: "https://example.org" }), [undefined]);
    assert.deepEqual(codes({ query: "EIO=4&transport=websocket", upgrade: true }), [undefined]);
  });

  it("is decided by the first guard that fails, whichever of the later ones fail too", () => {
    fc.assert(
      fc.property(fc.subarray([...HANDSHAKE_FLAWS], { minLength: 1 }), (flaws) => {
        const first = HANDSHAKE_FLAWS.find((flaw) => flaws.includes(flaw));
        const given = Object.assign({}, ...flaws.map(({ flaw }) => flaw)) as Given;
        assert.deepEqual(codes(given), [first?.code]);
      }),
    );
  });

  it("looks at the origin before it looks for the session", () => {
    const asked: string[] = [];
    const known: KnownSessions = (sid) => {
      asked.push(sid);
      return undefined;
    };
    assert.equal(nameOf({ query: `${HANDSHAKE}&sid=x`, origin: "\u007f", known }), "INVALID_ORIGIN");
    assert.deepEqual(codes({ query: "transport=no&sid=x", known }), [ErrorCode.UNKNOWN_TRANSPORT]);
    assert.deepEqual(asked, []);
    assert.deepEqual(codes({ query: `${HANDSHAKE}&sid=x`, known }), [ErrorCode.UNKNOWN_SID]);
    assert.deepEqual(asked, ["x"]);
  });

  it("takes out an origin that it refuses, so that nobody sends it back", () => {
    for (const origin of ["a\u0000", "a\r\nb", "\u0100", "\u007f"]) {
      const { request, verdicts } = judge({ origin });
      assert.deepEqual(verdicts[0]?.context, { name: "INVALID_ORIGIN", origin });
      assert.equal(request.headers.origin, undefined);
    }
    for (const origin of ["a\tb", "null", "\u00ff", ""]) assert.equal(judge({ origin }).request.headers.origin, origin);
  });

  it("compares the session's transport with the request's, unless it upgrades", () => {
    const query = `${HANDSHAKE}&sid=x`;
    assert.deepEqual(codes({ query, known: () => on("polling") }), [undefined]);
    assert.deepEqual(judge({ query, known: () => on("websocket") }).verdicts, [
      {
        code: ErrorCode.BAD_REQUEST,
        context: { name: "TRANSPORT_MISMATCH", transport: "polling", previousTransport: "websocket" },
      },
    ]);
    const upgrade = { query: "EIO=4&transport=websocket&sid=x", upgrade: true };
    assert.deepEqual(codes({ ...upgrade, known: () => on("polling") }), [undefined]);
    assert.deepEqual(codes({ ...upgrade, known: () => undefined }), [ErrorCode.UNKNOWN_SID]);
    assert.deepEqual(codes({ query, known: () => "ask the owner" }), [undefined]);
  });

  it("compares the session's protocol with the request's", () => {
    const query = "EIO=3&transport=polling&sid=x";
    const context = { name: "PROTOCOL_MISMATCH", protocol: 3, previousProtocol: 4 };
    assert.deepEqual(judge({ query, known: () => on("polling") }).verdicts, [{ code: ErrorCode.BAD_REQUEST, context }]);
    assert.deepEqual(codes({ query, known: () => on("polling", 3) }), [undefined]);
    assert.deepEqual(codes({ query: "transport=polling&sid=x", known: () => on("polling", 3) }), [undefined]);
    const upgrade = { query: "EIO=4&transport=websocket&sid=x", upgrade: true };
    assert.equal(nameOf({ ...upgrade, known: () => on("polling", 3) }), "PROTOCOL_MISMATCH");
  });

  it("asks allowRequest for handshakes only, and after all else", () => {
    const asked: IncomingMessage[] = [];
    const allow: AllowRequest = (request, decide) => {
      asked.push(request);
      decide(null, true);
    };
    assert.deepEqual(codes({ query: `${HANDSHAKE}&sid=x`, known: () => on("polling"), allow }), [undefined]);
    assert.deepEqual(codes({ method: "PUT", allow }), [ErrorCode.BAD_HANDSHAKE_METHOD]);
    assert.equal(nameOf({ query: "transport=websocket", allow }), "TRANSPORT_HANDSHAKE_ERROR");
    assert.equal(asked.length, 0);
    assert.deepEqual(codes({ allow }), [undefined]);
    assert.equal(asked.length, 1);
  });

  it("decides once, however often allowRequest does", () => {
    const allow: AllowRequest = (_request, decide) => {
      decide("first", false);
      decide(null, true);
      decide("third", false);
    };
    assert.deepEqual(judge({ allow }).verdicts, [{ code: ErrorCode.FORBIDDEN, context: { message: "first" } }]);
  });

  it("waits for an allowRequest that takes its time", () => {
    let later: () => void = () => assert.fail("not asked");
    const allow: AllowRequest = (_request, decide) => {
      later = () => {
        decide(undefined, true);
      };
    };
    const { verdicts } = judge({ allow });
    assert.deepEqual(verdicts, []);
    later();
    assert.deepEqual(verdicts, [undefined]);
  });

  it("takes an empty sid for none, and names of the prototype for what they are", () => {
    assert.deepEqual(codes({ query: `${HANDSHAKE}&sid=` }), [undefined]);
    assert.deepEqual(codes({ query: "transport=constructor" }), [ErrorCode.UNKNOWN_TRANSPORT]);
    assert.deepEqual(codes({ query: "transport=__proto__" }), [ErrorCode.UNKNOWN_TRANSPORT]);
    assert.deepEqual(codes({ query: "" }), [ErrorCode.UNKNOWN_TRANSPORT]);
  });
});
