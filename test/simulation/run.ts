import { runHistory } from "./history";
import { faultsOf } from "./profiles";

const [first = "1", count = "100", ...flags] = process.argv.slice(2);
const rules = Object.fromEntries(flags.filter((f) => f.startsWith("no-")).map((f) => [f.slice(3), false]));
async function main(): Promise<void> {
  const started = performance.now();
  let events = 0, recovered = 0, bad = 0;
  for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
    const outcome = await runHistory({ seed, faults: faultsOf(seed), rules });
    events += outcome.events; recovered += outcome.recovered;
    if (outcome.violations.length) {
      bad++;
      if (bad <= 3) console.log("seed", seed, outcome.violations);
      if (flags.includes("trace")) { console.log(outcome.trace.join("\n")); break; }
    }
  }
  console.log({ bad, events, recovered, ms: Math.round(performance.now() - started) });
}
void main();
