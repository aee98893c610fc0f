import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startChromium } from "./chromium";

test("Chromium opens a page of this machine and runs its script", async () => {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end('<p id="out"></p><script>document.getElementById("out").textContent = 6 * 7;</script>');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const browser = await startChromium();
  try {
    const page = await browser.context.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    assert.equal(await page.textContent("#out"), "42");
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
});
