import { runHistory } from "./history";
import { PROFILE_NAMES, scheduleOf } from "./profiles";

/** Arguments: how many seeds; the profiles, where not all. Says on standard output what the first one that failed did. */
function main(): void {
  const [seeds = "0", ...profiles] = process.argv.slice(2);
  for (const profile of profiles)
    if (!PROFILE_NAMES.includes(profile)) throw new Error(`there is no profile ${profile}`);
  let histories = 0;
  let violation: string | undefined;
  for (let seed = 1; seed <= Number(seeds) && violation === undefined; seed++) {
    const schedule = scheduleOf(seed);
    if (profiles.length > 0 && !profiles.includes(schedule.profile)) continue;
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
