import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { transports } from "engine.io-client";
import { resolveOptions } from "../../../src/options";
import { RequestNames } from "../../../src/server/request-names";

const HEADER = "x-eio-request-id";

/** What a client's polling transport asks for, each time anew. */
interface Asking {
  uri(): string;
}

/** The polling transports of the installed clients, of protocol 4 and of protocol 3. */
function installed(): readonly Asking[] {
  const options = {
    hostname: "a",
    port: "1",
    path: "/",
    query: {},
    timestampParam: "t",
    transportOptions: {},
    agent: false,
  };
  const Polling = transports.polling as unknown as new (given: typeof options) => Asking;
  const stock3 = createRequire(__filename)("engine.io-client-3") as {
    readonly transports: { polling(given: typeof options): Asking };
  };
  return [new Polling(options), stock3.transports.polling(options)];
}

/** Of clients 6.6, 6.6 with digits only by chance, 1.7 to 6.5 and Java's, the same a second time within a millisecond, 1.1 to 1.6. */
const STOCK = ["8r2yq4fz", "19203847", "PhG2x_1", "PhG2x-1.0", "PhG2x-1.1a", "1764414173123-17"];
/** C#'s seconds and milliseconds, Rust's checksum, Python's seconds. */
const CLOCKS = ["1764414173", "1764414173123", "383456123", "1764414173.1234567", "1764414173,5", "1"];
/** An application's, or a client's that nobody here knows. */
const OTHERS = ["token", "p17", "01933b2e-7a8c-7cc0-a6f2-1c5b7a4e9d10"];

describe("names of requests", () => {
  const names = (): RequestNames => new RequestNames("n1");
  /** Dart's: the time in milliseconds. */
  const DART = Date.UTC(2026, 10, 29).toString(36);

  it("are what the stock client says, whatever a balancer says", () => {
    for (const t of STOCK) {
      for (const headers of [{ [HEADER]: "r1" }, {}]) assert.equal(names().of(t, headers, HEADER), t);
    }
  });

  it("are what the installed clients say, always", () => {
    // A time that none of them can say: their last letters are made by chance.
    const some = new RequestNames("n1", () => 0);
    for (const client of installed()) {
      for (let i = 0; i < 20_000; i++) {
        const t = new URL(client.uri()).searchParams.get("t") ?? "";
        assert.equal(some.of(t, { [HEADER]: "r1" }, HEADER), t);
      }
    }
  });

  it("are what the balancer says where clients have another form of t", () => {
    for (const t of [...CLOCKS, ...OTHERS]) assert.equal(names().of(t, { [HEADER]: "r1" }, HEADER), "~~r1", t);
  });

  it("are what the balancer says where t is the time in base 36, which looks like a stock client's", () => {
    for (const [now, name] of [
      [Date.UTC(2026, 10, 29, 23), "~~r1"],
      [Date.UTC(2026, 10, 28, 1), "~~r1"],
      [Date.UTC(2026, 11, 1), DART],
    ] as const) {
      const some = new RequestNames("n1", () => now);
      assert.equal(some.of(DART, { [HEADER]: "r1" }, HEADER), name);
      assert.equal(some.of(DART, {}, HEADER), DART);
      for (const t of STOCK) assert.equal(some.of(t, { [HEADER]: "r1" }, HEADER), t);
    }
  });

  it("are other forms of t where no balancer says anything, but no clocks: those say the same for several requests", () => {
    for (const t of OTHERS) assert.equal(names().of(t, {}, HEADER), t);
    for (const t of CLOCKS) assert.equal(names().of(t, {}, HEADER), "~n1.1", t);
  });

  it("are what the balancer says where clients say nothing", () => {
    for (const t of [undefined, ""]) assert.equal(names().of(t, { [HEADER]: "r1" }, HEADER), "~~r1");
  });

  it("are all different where nobody says anything, or nobody is asked", () => {
    const some = names();
    const headers = { [HEADER]: "r1", other: "" };
    assert.deepEqual(
      [some.of(undefined, {}, HEADER), some.of("", headers, "other"), some.of(undefined, headers, false)],
      ["~n1.1", "~n1.2", "~n1.3"],
    );
    assert.notEqual(new RequestNames("n2").of(undefined, {}, HEADER), "~n1.1");
  });

  it("are short, and long ones differ all the same", () => {
    const long = (end: string): string => "x".repeat(5000) + end;
    const all = [names().of(long("a"), {}, HEADER), names().of(long("b"), {}, HEADER)];
    for (const end of ["a", "b"]) all.push(names().of(undefined, { [HEADER]: long(end) }, HEADER));
    assert.equal(new Set(all).size, 4);
    for (const name of all) assert.ok(name.length <= 50, name);
    assert.equal(names().of("x".repeat(48), {}, HEADER), "x".repeat(48));
  });
});

describe("option requestIdHeader", () => {
  it("is the name of a header, as Node has it", () => {
    const resolved = (requestIdHeader: string | false) => resolveOptions({ requestIdHeader }).requestIdHeader;
    assert.equal(resolveOptions({}).requestIdHeader, HEADER);
    assert.deepEqual([resolved("X-Request-ID"), resolved(false)], ["x-request-id", false]);
  });

  it("is refused where it is none", () => {
    for (const wrong of ["", "a b", "a:", "ä", true, 7]) {
      assert.throws(
        () => resolveOptions({ requestIdHeader: wrong as string }),
        /option requestIdHeader is .*allowed is the name of a header, or false/,
      );
    }
  });
});
