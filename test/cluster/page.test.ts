import assert from "node:assert/strict";
import { after, before, describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import { startChromium, type Chromium } from "../helpers/chromium";
import { until } from "../helpers/until";
import { portOf, serve } from "./helpers/serve-kit";

describe("the demo page's websocket", () => {
  let chromium: Chromium;

  before(async () => {
    chromium = await startChromium();
  });
  after(() => chromium.close());

  async function open(t: TestContext, environment: NodeJS.ProcessEnv = {}): Promise<Visit> {
    const port = await portOf(serve(t, environment));
    const page = await chromium.context.newPage();
    t.after(() => page.close());
    const visit = new Visit(page);
    await page.goto(`http://127.0.0.1:${String(port)}/`);
    await visit.shows("#state", "open");
    return visit;
  }

  test("polling first; the upgrade, who holds the websocket, and the end of its owner are told", async (t) => {
    const visit = await open(t);
    await visit.shows("#transport", "polling");
    assert.equal(await visit.text("#holder"), "–");
    await visit.say("by polling", /POST taken by w\d\/\d+/);

    // Its websocket comes to whichever worker is next. A page that is alone makes as many requests ahead of its websocket each time, and
    // where there are three it stays in step with the workers: all of twenty websockets came to the owner once. So it is not alone here.
    const others = otherVisitors(t, visit.page.url());
    const kinds = { relayed: /^w\d\/\d+, which passes it on to the owner$/, own: /^w\d\/\d+, the owner itself$/ };
    let relayed = false;
    for (let attempt = 0; !relayed && attempt < 20; attempt++) {
      const before = await visit.text("#sid");
      if (attempt > 0) await visit.choose("polling");
      await visit.choose("upgrade");
      await visit.shows("#transport", "websocket");
      await visit.shows("#holder", /owner/);
      assert.notEqual(await visit.text("#sid"), before);
      const holder = await visit.text("#holder");
      relayed = kinds.relayed.test(holder);
      assert.ok(relayed || kinds.own.test(holder), holder);
      const owner = await visit.text("#owner");
      assert.equal(holder.startsWith(`${owner},`), !relayed, `held by ${holder}; owner: ${owner}`);
      const upgrades = visit.page.locator("#log li", { hasText: /^UPGRADEw\d\/\d+polling → websocket/ });
      await until("the upgrade is in the log", async () => (await upgrades.count()) === attempt + 1);
    }
    await others.leave();
    assert.ok(relayed, "one came to another worker than the owner");
    await visit.say("by websocket", /by websocket at w\d\/\d+/);

    const [sid, owner] = [await visit.text("#sid"), await visit.text("#owner")];
    await visit.page.click("#kill");
    await visit.shows("#notice", /A websocket session ends with its owner\. The client connects anew/);
    await until("there is another session", async () => !["–", sid].includes(await visit.text("#sid")));
    await visit.shows("#transport", "websocket");
    await visit.shows("#owner", /w\d/);
    assert.notEqual(await visit.text("#owner"), owner);
    assert.equal(await visit.text("#takeovers"), "0");
    await visit.say("anew", /by websocket at|POST taken by/);
    assert.deepEqual(visit.errors, []);
  });

  test("only what the server takes can be chosen", async (t) => {
    const polling = await open(t, { WORKERS: "2", TRANSPORTS: "polling" });
    await polling.shows("#transport", "polling");
    assert.ok(await polling.page.isDisabled("#mode input[value=upgrade]"));

    const websocket = await open(t, { WORKERS: "1", TRANSPORTS: "websocket", PER_MESSAGE_DEFLATE: "1" });
    await websocket.shows("#transport", "websocket");
    await websocket.shows("#holder", /, the owner itself$/);
    assert.ok(await websocket.page.isDisabled("#mode input[value=polling]"));
    await websocket.say("hello", /by websocket at/);
  });
});

/** Requests of others, so that no two visits of the page find the workers in the same turn. */
function otherVisitors(t: TestContext, url: string): { leave(): Promise<void> } {
  const leaving = new AbortController();
  const visits = (async () => {
    while (!leaving.signal.aborted) {
      await fetch(url).then(
        (response) => response.text(),
        () => undefined,
      );
      await sleep(Math.random() * 5);
    }
  })();
  const leave = (): Promise<void> => {
    leaving.abort();
    return visits;
  };
  t.after(leave);
  return { leave };
}

class Visit {
  readonly page: Page;
  readonly errors: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.errors.push(error.message));
  }

  async text(selector: string): Promise<string> {
    return (await this.page.textContent(selector)) ?? "";
  }

  async shows(selector: string, expected: string | RegExp): Promise<void> {
    let text = "";
    await until(
      `${selector} shows ${String(expected)}`,
      async () => {
        text = (await this.page.locator(selector).allTextContents()).join();
        return typeof expected === "string" ? text === expected : expected.test(text);
      },
      30_000,
    ).catch((error: unknown) => {
      throw new Error(`${selector} shows ${JSON.stringify(text)}`, { cause: error });
    });
  }

  async choose(mode: "polling" | "upgrade"): Promise<void> {
    const before = await this.text("#sid");
    await this.page.check(`#mode input[value=${mode}]`);
    await until("there is another session", async () => !["–", before].includes(await this.text("#sid")));
    await this.shows("#state", "open");
  }

  /** Sends a message, and reads how it went. */
  async say(words: string, how: RegExp): Promise<void> {
    await this.shows("#state", "open");
    await this.page.fill("#message", words);
    await this.page.click("#send");
    await this.shows("#echoes li:first-child", new RegExp(`^${words}.*${how.source}`));
  }
}
