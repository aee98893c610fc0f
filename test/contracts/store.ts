import { describe } from "node:test";
import { claimTests } from "./store-claim";
import { commitTests } from "./store-commit";
import type { StoreFactory } from "./store-kit";
import { nodeTests } from "./store-nodes";
import { openTests } from "./store-open";
import { restoreTests } from "./store-restore";
import { trafficTests } from "./store-traffic";

export { CONTRACT_LIMITS, type StoreFactory, type StoreHarness } from "./store-kit";

/** Every sentence of the port, as a test, on one adapter. The factory builds a store with `CONTRACT_LIMITS`. */
export function storeContract(name: string, factory: StoreFactory): void {
  describe(`SessionStore contract: ${name}`, () => {
    openTests(factory);
    commitTests(factory);
    claimTests(factory);
    restoreTests(factory);
    nodeTests(factory);
    trafficTests(factory);
  });
}
