import assert from "node:assert/strict";
import { connect, type Socket as Connection } from "node:net";
import { describe, it } from "node:test";
import type { IncomingMessage } from "node:http";
import { OptionError } from "../../src/option-error";
import type { AuthorizedSession, EngineOptions } from "../../src/options";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { CLUSTERED, http, RawClient, startEngines, type Reply, type TestEngines } from "../helpers/engines";
import { raw, UPGRADE } from "../helpers/raw-http";
import { until } from "../helpers/until";

const FORBIDDEN = '{"code":4,"message":"Forbidden"}';
const ALICE = { cookie: "user=alice" };
const MALLORY = { cookie: "user=mallory" };

/** What the docs give as the usual one. */
function sameUser(request: IncomingMessage, { handshake }: AuthorizedSession): boolean {
  return request.headers.cookie === handshake.headers.cookie;
}

interface Refused {
  readonly code: number;
  readonly context: { readonly name?: string; readonly sid?: string; readonly error?: unknown };
}

function watch(engines: TestEngines): Refused[] {
  const refused: Refused[] = [];
  engines.on("connection_error", (error: Refused) => refused.push(error));
  engines.on("connection", (socket: Socket) => {
    socket.on("message", (data: string) => socket.send(data));
  });
  return refused;
}

async function open(engines: TestEngines, headers: Record<string, string>, query = ""): Promise<RawClient> {
  const client = new RawClient(engines);
  const reply = await http(`${engines.next()}/engine.io/?EIO=4&transport=polling&t=${client.t()}${query}`, { headers });
  assert.equal(reply.status, 200, reply.body);
  client.sid = (JSON.parse(reply.body.slice(1)) as { sid: string }).sid;
  return client;
}

function upgrade(engines: TestEngines, sid: string, headers: Record<string, string>): Promise<number> {
  const url = `${engines.next()}/engine.io/?EIO=4&transport=websocket&sid=${sid}`;
  return raw(url, { headers: { ...UPGRADE, ...headers } }).then(({ status }) => status);
}

function forbidden(reply: Reply): void {
  assert.deepEqual([reply.status, reply.body], [403, FORBIDDEN]);
  assert.equal(reply.headers["content-type"], "application/json");
}

function requests(engines: TestEngines): number {
  return engines.engines.reduce((sum, { load }) => sum + load.requests, 0);
}

function unauthorized(engines: TestEngines): number {
  return engines.engines.reduce((sum, { load }) => sum + load.unauthorized, 0);
}

async function goesOn(client: RawClient, text: string): Promise<void> {
  assert.equal((await client.post(`4${text}`, undefined, { headers: ALICE })).status, 200);
  assert.equal((await client.poll(undefined, { headers: ALICE })).body, `4${text}`);
}

/** An `authorizeRequest` whose answers the test gives. */
class Answers {
  readonly waiting: { allow: (answer: boolean) => void; fail: (error: Error) => void }[] = [];
  readonly options: EngineOptions = {
    authorizeRequest: () => new Promise<boolean>((allow, fail) => this.waiting.push({ allow, fail })),
  };

  async next(): Promise<{ allow: (answer: boolean) => void; fail: (error: Error) => void }> {
    await until("the application is asked", () => this.waiting.length > 0);
    return this.waiting.shift()!;
  }
}

/** The same with answers of its own for each run. */
function withAnswers(
  name: string,
  test: (engines: TestEngines, answers: Answers) => Promise<void>,
  more: EngineOptions = {},
  modes = [...CLUSTERED, "local" as const],
): void {
  for (const mode of modes) {
    it(`${name} [${mode}]`, async () => {
      const answers = new Answers();
      const engines = await startEngines(mode, { ...answers.options, ...more }, { pollGrace: 300, beatInterval: 100 });
      try {
        await test(engines, answers);
      } finally {
        await engines.stop();
      }
    });
  }
}

describe("authorizeRequest", () => {
  behaviour(
    "a stranger with the session's id is answered 403, and can neither speak, listen nor end it",
    async (engines) => {
      const refused = watch(engines);
      const client = await open(engines, ALICE);
      const parked = client.poll(undefined, { headers: ALICE });
      await until("it is parked", () => requests(engines) === 1 || engines.mode === "local");
      for (const headers of [MALLORY, {}] as Record<string, string>[]) {
        // Another poll would end the session, and so would these POSTs.
        forbidden(await client.poll(undefined, { headers }));
        for (const body of ["4hello", "1", "no payload", "x".repeat(2_000_000)])
          await client.post(body, undefined, { headers }).then(forbidden, () => assert.equal(body.length, 2_000_000));
        forbidden(await http(client.url(undefined), { method: "DELETE", headers }));
        const websocket = `${engines.next()}/engine.io/?EIO=4&transport=websocket&sid=${client.sid}`;
        const { status, text } = await raw(websocket, { headers: { ...UPGRADE, ...headers } });
        assert.deepEqual([status, text], [403, FORBIDDEN]);
      }
      assert.equal((await client.post("4mine", undefined, { headers: ALICE })).status, 200);
      assert.equal((await parked).body, "4mine");
      await goesOn(client, "after");
      assert.equal(await upgrade(engines, client.sid, ALICE), 101);
      assert.equal(unauthorized(engines), 14);
      assert.equal(refused.length, 14);
      for (const { code, context } of refused)
        assert.deepEqual([code, context], [4, { name: "NOT_AUTHORIZED", sid: client.sid }]);
    },
    { authorizeRequest: sameUser },
  );

  const seen: { request: IncomingMessage; session: AuthorizedSession }[] = [];
  behaviour(
    "is told of the request and of the handshake, the same at every node, and of nothing that can be changed",
    async (engines) => {
      watch(engines);
      seen.length = 0;
      const client = await open(engines, { ...ALICE, "x-of": "handshake" }, "&user=a%20b&__proto__=x");
      assert.equal(seen.length, 0, "a handshake is allowRequest's");
      for (let i = 0; i < 3; i++) await goesOn(client, String(i));
      assert.equal(seen.length, 6);
      for (const { request, session } of seen) {
        const { id, handshake } = session;
        assert.equal(id, client.sid);
        assert.match(request.url ?? "", /sid=/);
        assert.match(handshake.url, /^\/engine\.io\/\?EIO=4&transport=polling&t=t\d+&user=a%20b/);
        assert.deepEqual(
          [handshake.method, handshake.headers["x-of"], handshake.headers.cookie],
          ["GET", "handshake", ALICE.cookie],
        );
        assert.deepEqual([handshake.query["user"], handshake.query["transport"]], ["a b", "polling"]);
        assert.match(handshake.address, /127\.0\.0\.1$/);
        assert.equal(handshake.encrypted, false);
        for (const each of [session, handshake, handshake.headers, handshake.query]) assert.ok(Object.isFrozen(each));
      }
    },
    {
      authorizeRequest: (request, session) => {
        seen.push({ request, session });
        return true;
      },
    },
  );

  behaviour(
    "is asked neither of sessions that are not there, nor of requests that are wrong",
    async (engines) => {
      const refused = watch(engines);
      const base = `${engines.next()}/engine.io/?EIO=4`;
      const unknown = await http(`${base}&transport=polling&sid=nobody`);
      assert.deepEqual([unknown.status, unknown.body], [400, '{"code":1,"message":"Session ID unknown"}']);
      assert.equal((await http(`${base}&transport=polling&sid=${"x".repeat(5000)}`)).status, 400);
      assert.equal(await upgrade(engines, "nobody", {}), 400);
      assert.equal((await http(`${base}&transport=none&sid=nobody`)).status, 400);
      assert.deepEqual(
        refused.map(({ code }) => code),
        [1, 1, 1, 0],
      );
      assert.equal(unauthorized(engines), 0);
    },
    { authorizeRequest: () => assert.fail("it is asked") },
  );

  for (const [what, answer] of [
    ["throws", () => assert.fail("out of order")],
    ["rejects", () => Promise.reject(new Error("out of order"))],
    ["forgets to answer", () => undefined],
    ["answers something else than true", () => Promise.resolve("yes")],
  ] as const) {
    let broken = true;
    behaviour(
      `one that ${what} lets nobody in, and the session lives`,
      async (engines) => {
        const refused = watch(engines);
        broken = false;
        const client = await open(engines, ALICE);
        broken = true;
        forbidden(await client.post("4x"));
        forbidden(await client.poll());
        assert.equal(await upgrade(engines, client.sid, {}), 403);
        broken = false;
        await goesOn(client, "after");
        const fails = what === "throws" || what === "rejects";
        for (const { context } of refused) {
          assert.equal(context.name, fails ? "AUTHORIZATION_FAILURE" : "NOT_AUTHORIZED");
          assert.equal(context.error instanceof Error, fails);
        }
        assert.deepEqual([refused.length, unauthorized(engines)], [3, 3]);
      },
      { authorizeRequest: () => (broken ? (answer() as unknown as boolean) : true) },
    );
  }
});

/** A POST whose body is sent as fast as the server takes it. */
function bigPost(port: number, sid: string, bytes: number): { connection: Connection; answer: () => string } {
  const connection = connect(port, "127.0.0.1");
  let answer = "";
  connection.on("data", (data: Buffer) => (answer += data.toString()));
  connection.on("error", () => undefined);
  connection.write(
    `POST /engine.io/?EIO=4&transport=polling&sid=${sid}&t=big HTTP/1.1\r\nHost: a\r\n` +
      `Content-Type: text/plain\r\nContent-Length: ${String(bytes)}\r\n\r\n4${"x".repeat(bytes - 1)}`,
  );
  return { connection, answer: () => answer };
}

describe("authorizeRequest that takes its time", () => {
  withAnswers("requests wait for it, and go on", async (engines, answers) => {
    watch(engines);
    const client = await open(engines, ALICE);
    const post = client.post("4late");
    const first = await answers.next();
    assert.equal(requests(engines), 1);
    first.allow(true);
    assert.equal((await post).status, 200);
    const poll = client.poll();
    (await answers.next()).allow(true);
    assert.equal((await poll).body, "4late");
    const refused = client.poll();
    (await answers.next()).allow(false);
    forbidden(await refused);
    const websocket = upgrade(engines, client.sid, {});
    (await answers.next()).allow(true);
    assert.equal(await websocket, 101);
    await until("nothing is under way", () => requests(engines) === 0);
  });

  withAnswers("a body is not read before it has answered, however large", async (engines, answers) => {
    watch(engines);
    const client = await open(engines, ALICE);
    const taken: Connection[] = [];
    engines.servers[0]!.on("connection", (socket: Connection) => taken.push(socket));
    const bytes = 900_000;
    for (const allowed of [true, false]) {
      const { connection, answer } = bigPost(engines.ports[0]!, client.sid, bytes);
      const asked = await answers.next();
      const before = taken.at(-1)!.bytesRead;
      assert.ok(before < bytes / 2, `${String(before)} bytes were read`);
      assert.equal(engines.engines[0]!.load.bodyBytes, 0);
      asked.allow(allowed);
      await until("it is answered", () => answer().includes("\r\n\r\n"));
      assert.match(answer(), allowed ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 403 [\s\S]*connection: close/i);
      connection.destroy();
    }
    await until("nothing is under way", () => requests(engines) === 0);
  });

  withAnswers(
    "a request that breaks meanwhile is let go, and what is answered then is nobody's",
    async (engines, answers) => {
      watch(engines);
      const client = await open(engines, ALICE);
      let abort = (): void => undefined;
      const broken = client.poll(undefined, { onStarted: (stop) => (abort = stop) }).catch(() => "broken");
      const asked = await answers.next();
      abort();
      assert.equal(await broken, "broken");
      await until("it is not counted any more", () => requests(engines) === 0);
      asked.allow(true);
      const post = client.post("4x");
      (await answers.next()).allow(true);
      assert.equal((await post).status, 200);
      assert.equal(requests(engines), 0);
    },
  );

  withAnswers("a session that ends meanwhile is unknown", async (engines, answers) => {
    const sockets: Socket[] = [];
    engines.on("connection", (socket: Socket) => sockets.push(socket));
    const client = await open(engines, ALICE);
    const post = client.post("4x");
    const asked = await answers.next();
    sockets[0]?.close(true);
    await until("it has ended", () => sockets[0]?.readyState === "closed");
    asked.allow(true);
    const reply = await post;
    assert.deepEqual([reply.status, reply.body], [400, '{"code":1,"message":"Session ID unknown"}']);
  });

  withAnswers(
    "requests that wait for it count among those under way: beyond, 503",
    async (engines, answers) => {
      const client = await open(engines, ALICE);
      const url = `http://127.0.0.1:${String(engines.ports[0])}/engine.io/?EIO=4&transport=polling&sid=${client.sid}`;
      const waiting = [http(`${url}&t=1`), http(`${url}&t=2`)];
      await until("both wait", () => answers.waiting.length === 2);
      const reply = await http(`${url}&t=3`);
      assert.deepEqual([reply.status, reply.headers["retry-after"]], [503, "1"]);
      assert.equal(engines.engines[0]!.load.refused.requests, 1);
      for (const { fail } of answers.waiting.splice(0)) fail(new Error("no"));
      for (const each of await Promise.all(waiting)) forbidden(each);
    },
    { limits: { requests: 2 } },
  );
});

describe("what authorizeRequest costs", () => {
  it("at a node that does not own the session one look into the store, at the owner none", async () => {
    const engines = await startEngines("next", { authorizeRequest: sameUser });
    try {
      watch(engines);
      const records = engines.records!;
      let reads = 0;
      const read = records.handshake.bind(records);
      records.handshake = (sid) => {
        reads++;
        return read(sid);
      };
      const client = await open(engines, ALICE);
      for (let i = 0; i < 6; i++) await goesOn(client, String(i));
      assert.equal(reads, 2);
      for (const engine of engines.engines) engine.authorizeRequest = undefined;
      const other = await open(engines, ALICE);
      for (let i = 0; i < 6; i++) await goesOn(other, String(i));
      assert.equal(reads, 2);
    } finally {
      await engines.stop();
    }
  });

  it("one that is no function is refused: it would let everybody in", async () => {
    for (const authorizeRequest of [true, "same-user", null, {}])
      await assert.rejects(startEngines("local", { authorizeRequest } as unknown as EngineOptions), OptionError);
  });
});
