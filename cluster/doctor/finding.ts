/** What a check has found. */
export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  /** What was seen. */
  readonly what: string;
  /** What it means, and what to set; for all that is not ok. */
  readonly advice?: string;
}

export type Verdict = "ok" | "warning" | "failed" | "skipped";

export interface Report {
  readonly url: string;
  /** Nothing failed. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

const WIDTH = 10;

/** The report for people. */
export function reportText({ url, ok, findings }: Report): string {
  const lines = findings.flatMap(({ check, verdict, what, advice }) => [
    `${verdict.padEnd(WIDTH)}${check.padEnd(WIDTH + 2)}${what}`,
    ...(advice === undefined ? [] : [`${" ".repeat(2 * WIDTH + 2)}${advice}`]),
  ]);
  const count = (verdict: Verdict): number => findings.filter((finding) => finding.verdict === verdict).length;
  const end = ok
    ? `Nothing failed. Warnings: ${String(count("warning"))}.`
    : `${String(count("failed"))} of ${String(findings.length)} checks failed.`;
  return [`Doctor of ${url}`, "", ...lines, "", end, ""].join("\n");
}
