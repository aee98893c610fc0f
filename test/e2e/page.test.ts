import assert from "node:assert/strict";
import { after, before, test, describe } from "node:test";
import type { Page } from "playwright-core";
import { startChromium, type Chromium } from "../helpers/chromium";
import { startServe, type ServeProcess } from "../helpers/cluster";
import { waitFor } from "../helpers/wait-for";

describe("the demo page in a browser", () => {
  let server: ServeProcess;
  let chromium: Chromium;
  let page: Page;

  before(async () => {
    server = await startServe({ workers: 3, balancer: "front", app: "demo" });
    chromium = await startChromium();
    page = await chromium.context.newPage();
  });

  after(async () => {
    await chromium.close();
    await server.stop();
  });

  test("a session is served by several workers, and goes on when its owner is killed, twice", async () => {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    await page.goto(server.url);
    await shows(page, "#state", "open");
    const sid = await textOf(page, "#sid");
    assert.match(sid, /^[\w-]{20}$/);
    let sent = 0;
    const say = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        sent++;
        await page.fill("#message", `message ${sent}`);
        await page.click("#send");
        await waitFor(`the echo of message ${sent}`, async () => {
          const [newest = ""] = await page.locator("#echoes li").allTextContents();
          return newest.startsWith(`message ${sent}`);
        });
      }
    };
    await say(6);
    // Worker, GETs, POSTs, and a mark.
    const cells = await page.locator("#workers td").allTextContents();
    const rows = Array.from({ length: cells.length / 4 }, (_, i) => cells.slice(i * 4, i * 4 + 4));
    const served = rows.filter(([, gets, posts]) => Number(gets) > 0 && Number(posts) > 0);
    assert.equal(served.length, 3, JSON.stringify(rows));

    const owners = [await textOf(page, "#owner")];
    for (const kill of [1, 2]) {
      await page.click("#kill");
      await shows(page, "#takeovers", String(kill));
      await shows(page, "#state", "open");
      owners.push(await textOf(page, "#owner"));
      assert.equal(await textOf(page, "#sid"), sid);
      await say(4);
    }
    assert.equal(new Set(owners).size, 3, `owned by ${owners.join(", ")}`);
    // Newest first, each of them once: nothing was lost, doubled or out of order.
    const echoes = await page.locator("#echoes li .grow").allTextContents();
    assert.deepEqual(
      echoes,
      Array.from({ length: sent }, (_, i) => `message ${sent - i}`),
    );
    assert.deepEqual(problems, []);
    assert.equal(await textOf(page, "#sid"), sid);
  });
});

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? "";
}

async function shows(page: Page, selector: string, text: string): Promise<void> {
  await waitFor(`${selector} to show ${text}`, async () => (await textOf(page, selector)) === text);
}
