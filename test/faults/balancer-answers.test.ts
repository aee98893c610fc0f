import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { startShipped, type BalancerKind, type ShippedBalancer } from "../helpers/shipped-balancers";

/** What a stand-in for a node does with a request that has arrived as a whole. */
type Way = "echo" | "break" | "503";

interface StandIn {
  readonly server: Server;
  readonly port: number;
  way: Way;
  served: number;
}

interface Asked {
  readonly responses: readonly Response[];
  /** The status of each that is not 200; 0 where the connection broke. */
  readonly failed: readonly number[];
}

const KINDS: readonly BalancerKind[] = ["nginx", "haproxy", "caddy"];
const PATH = "/engine.io/?EIO=4&transport=polling&sid=a&t=b";

/** What the configurations of deploy/ make of answers, and of none: each by itself, without a cluster. */
for (const kind of KINDS) {
  describe(`${kind} with its configuration of deploy/`, () => {
    let nodes: StandIn[] = [];
    let balancer: ShippedBalancer | undefined;

    before(async () => {
      nodes = await Promise.all([standIn(), standIn(), standIn()]);
      balancer = await startShipped(kind, { upstreams: nodes.map(({ port }) => port) });
    });

    after(async () => {
      await balancer?.stop();
      for (const { server } of nodes) {
        server.closeAllConnections();
        server.close();
      }
    });

    /** One request after the other, until the first node has had three. */
    const ask = async (ways: readonly Way[], init: RequestInit = {}): Promise<Asked> => {
      for (const [i, node] of nodes.entries()) {
        node.way = ways[i] ?? "echo";
        node.served = 0;
      }
      const responses: Response[] = [];
      const failed: number[] = [];
      while ((nodes[0]?.served ?? 0) < 3) {
        assert.ok(responses.length < 50, "the first node gets no requests");
        // One that fails while its body is being sent breaks the connection.
        const response = await fetch(`${balancer?.url ?? ""}${PATH}`, init).catch(() => undefined);
        if (response?.ok !== true) failed.push(response?.status ?? 0);
        if (response !== undefined) responses.push(response);
      }
      return { responses, failed };
    };

    const post = (size: number): RequestInit => ({ method: "POST", body: "4".repeat(size) });

    test("a GET is sent again when its connection breaks", async () => {
      assert.deepEqual((await ask(["break"])).failed, []);
    });

    test(`a POST is ${kind === "caddy" ? "not " : ""}sent again when its connection breaks`, async () => {
      const { responses, failed } = await ask(["break"], post(20_000));
      assert.deepEqual(failed, kind === "caddy" ? [502, 502, 502] : []);
      for (const response of responses) if (response.ok) assert.equal(await response.text(), "4".repeat(20_000));
    });

    test(`a large POST is ${kind === "nginx" ? "too" : "not sent again"}`, async () => {
      const { failed } = await ask(["break"], post(500_000));
      assert.equal(failed.length, kind === "nginx" ? 0 : 3);
    });

    test(`a 503 of one node is ${kind === "caddy" ? "passed on" : "made good by another one"}`, async () => {
      for (const init of [{}, post(100)]) {
        assert.deepEqual((await ask(["503"], init)).failed, kind === "caddy" ? [503, 503, 503] : []);
      }
    });

    test("a 503 of all nodes reaches the client, with its Retry-After", async () => {
      const { responses } = await ask(["503", "503", "503"], post(100));
      for (const response of responses) {
        assert.equal(response.status, 503);
        assert.equal(response.headers.get("retry-after"), "1");
      }
    });

    test("a request is sent four times at most, and X-Forwarded-For says who asked", async () => {
      const { responses } = await ask(["503", "503", "503"]);
      const served = nodes.reduce((sum, node) => sum + node.served, 0);
      assert.ok(served <= 4 * responses.length, `${served} attempts for ${responses.length} requests`);
      for (const { headers } of (await ask([])).responses) assert.equal(headers.get("x-seen"), "127.0.0.1");
    });
  });
}

async function standIn(): Promise<StandIn> {
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const node: StandIn = { server, port: (server.address() as AddressInfo).port, way: "echo", served: 0 };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.url === "/readyz") {
      response.end("ok");
      return;
    }
    node.served++;
    if (node.way === "break") request.socket.destroy();
    else if (node.way === "503") response.writeHead(503, { "retry-after": "1" }).end();
    else response.writeHead(200, { "x-seen": request.headers["x-forwarded-for"] }).end(Buffer.concat(chunks));
  };
  return node;
}
