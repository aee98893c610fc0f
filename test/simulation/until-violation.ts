import { runHistory } from "./history";
import { scheduleOf } from "./profiles";

/**
 * Arguments: the first seed; how many; the profiles, in turn, where not those of the seeds. Says on standard output what the
 * first history that failed did.
 */
function main(): void {
  const [first = "1", seeds = "0", ...profiles] = process.argv.slice(2);
  let histories = 0;
  let violation: string | undefined;
  for (let seed = Number(first); histories < Number(seeds) && violation === undefined; seed++) {
    const schedule = profiles.length === 0 ? scheduleOf(seed) : scheduleOf(seed, profiles[seed % profiles.length]);
    histories++;
    try {
      violation = runHistory(schedule).violations[0];
    } catch (error) {
      violation = `threw ${String(error)}`;
    }
  }
  process.stdout.write(JSON.stringify({ violation, histories }));
}

// An error of the application, in an event of its own, is noticed too.
process.on("uncaughtException", (error) => {
  process.stdout.write(JSON.stringify({ violation: `threw ${String(error)}`, histories: 0 }), () => process.exit(0));
});
setImmediate(main);
