import { it } from "node:test";
import type { EngineOptions } from "../../src/options";
import { MODES, startEngines, type Mode, type TestEngines } from "./engines";

/** Runs a test against every mode: the same behaviour, wherever the session's requests land. */
export function behaviour(
  name: string,
  test: (engines: TestEngines) => Promise<void>,
  options: EngineOptions = {},
  modes: readonly Mode[] = MODES,
): void {
  for (const mode of modes) {
    it(`${name} [${mode}]`, async () => {
      const engines = await startEngines(mode, options, { pollGrace: 300, beatInterval: 100, linger: 1000 });
      try {
        await test(engines);
      } finally {
        await engines.stop();
      }
    });
  }
}
