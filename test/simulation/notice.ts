import { parseArgs } from "node:util";
import { RULES } from "./rules";
import { runWithout } from "./without-rule";

/**
 * How many histories it takes until the simulation notices that a rule is missing, for each row of the table whose name has the
 * given text: `node --import tsx test/simulation/notice.ts [--seeds N] [--from S]... [TEXT]`. A row is good where that is
 * below 150 from any first seed on.
 */
async function main(): Promise<void> {
  const options = { seeds: { type: "string" }, from: { type: "string", multiple: true } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [text = ""] = positionals;
  for (const rule of RULES.filter((each) => each.rule.includes(text))) {
    for (const from of values.from ?? ["1", "50000", "90000"]) {
      const said = await runWithout(rule, Number(values.seeds ?? "1200"), Number(from)).catch((error: unknown) => ({
        violation: String(error),
        histories: 0,
      }));
      const { violation = "NOT NOTICED", histories } = said;
      process.stdout.write(`${rule.rule} | from ${from} | ${String(histories)} | ${violation.slice(0, 160)}\n`);
    }
  }
}

void main();
