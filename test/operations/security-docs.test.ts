import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { runInNewContext } from "node:vm";
import type { ServerOptions } from "../../src/options";
import { http, RawClient, startEngines } from "../helpers/engines";
import { raw, UPGRADE } from "../helpers/raw-http";
import { documented, readDocs } from "../helpers/secured";
import { ROOT } from "./manifests";

/** The options of the example, as somebody has them who copied it. */
function example(): ServerOptions {
  const given: ServerOptions[] = [];
  const userOf = (cookie: string | undefined): Promise<string | undefined> =>
    Promise.resolve(/user=(\w+)/.exec(cookie ?? "")?.[1]);
  const attach = (_http: unknown, options: ServerOptions): void => void given.push(options);
  runInNewContext(documented("const ORIGINS"), { attach, http: {}, userOf });
  return given[0] ?? assert.fail("the example attaches nothing");
}

describe("docs/security.md", () => {
  test("its example lets in users from its own pages, and each in sessions of their own only", async (t) => {
    const engines = await startEngines("next", example());
    t.after(() => engines.stop());
    const open = (headers: Record<string, string>, more = "") =>
      http(`${engines.next()}/engine.io/?EIO=4&transport=polling${more}`, { headers });
    const alice = { cookie: "theme=dark; user=alice" };
    for (const [refused, more] of [
      [{}, ""],
      [{ ...alice, origin: "https://evil.example" }, ""],
      [alice, "&j=0"],
    ] as const) {
      assert.equal((await open(refused, more)).status, 403);
    }
    const websocket = `${engines.next()}/engine.io/?EIO=4&transport=websocket`;
    const evil = await raw(websocket, { headers: { ...UPGRADE, ...alice, origin: "https://evil.example" } });
    assert.equal(evil.status, 400);
    const opened = await open({ ...alice, origin: "https://app.example" });
    assert.equal(opened.status, 200);
    const client = new RawClient(engines);
    client.sid = (JSON.parse(opened.body.slice(1)) as { sid: string }).sid;
    const post = (headers: Record<string, string>): Promise<number> =>
      client.post("4x", undefined, { headers }).then(({ status }) => status);
    for (let i = 0; i < 3; i++) {
      assert.equal(await post({ cookie: "user=alice; theme=light" }), 200);
      assert.equal(await post({ cookie: "user=mallory" }), 403);
      assert.equal(await post({}), 403);
    }
  });

  test("names files, variables and sections that there are", () => {
    const text = readDocs();
    for (const [, target = ""] of text.matchAll(/\]\(([^)#]+)/g)) {
      assert.ok(existsSync(join(ROOT, "docs", target)), target);
    }
    const sections = [...text.matchAll(/^#+ (.*)$/gm)].map(([, name = ""]) => name.toLowerCase().replaceAll(" ", "-"));
    for (const [, section = ""] of text.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(sections.includes(section), section);
  });
});
