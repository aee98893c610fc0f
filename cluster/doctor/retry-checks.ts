import type { Finding } from "./finding";
import { shown, type Answer, type Ask } from "./http";
import type { Told } from "./orders";
import { newRun, type Patient } from "./patient";

const DOCS = "docs/balancers.md";
/** So many orders are sent, until the node that they are for had this many. */
const ORDERS_AT_MOST = 60;
const ENOUGH = 2;
/** Orders between two questions whether they came there. */
const ROUND = 4;
const LARGE = 200_000;

interface Trial {
  readonly check: string;
  readonly kind: "break" | "busy";
  readonly ask: Ask;
  /** What is done with the node's failure. */
  readonly told: string;
  readonly severity: "failed" | "warning";
  readonly advice: string;
}

const TRIALS: readonly Trial[] = [
  {
    check: "GET again",
    kind: "break",
    ask: {},
    told: "a GET whose node broke the connection",
    severity: "failed",
    advice: "Clients whose poll waits at a node that dies end their session.",
  },
  {
    check: "POST again",
    kind: "break",
    ask: { method: "POST", body: "doctor" },
    told: "a POST whose node broke the connection",
    severity: "failed",
    advice: "Clients whose POST is at a node that dies end their session. nginx: non_idempotent.",
  },
  {
    check: "large POST",
    kind: "break",
    ask: { method: "POST", body: "d".repeat(LARGE) },
    told: `a POST of ${String(LARGE)} bytes whose node broke the connection`,
    severity: "warning",
    advice: "The balancer holds smaller bodies only. Let its buffer be what your messages need.",
  },
  {
    check: "503 again",
    kind: "busy",
    ask: { method: "POST", body: "doctor" },
    told: "a POST that one node answered 503",
    severity: "warning",
    advice: "Clients that come to a node without Redis, or that is not ready, end their session. nginx: http_503.",
  },
];

/** Whether what fails at one node is sent to the next. */
export async function checkRetries(patient: Patient): Promise<Finding[]> {
  if (patient.secret === undefined) {
    const what = "whether GETs and POSTs are sent again was not checked";
    return [
      { check: "retries", verdict: "warning", what, advice: "Set DOCTOR_SECRET, the same at the nodes and here." },
    ];
  }
  await findNodes(patient);
  const [target] = patient.nodes;
  if (target === undefined) {
    const what = "no node answers a doctor";
    return [
      {
        check: "retries",
        verdict: "warning",
        what,
        advice: "Have they another DOCTOR_SECRET, or none? Or does the balancer drop headers?",
      },
    ];
  }
  if (patient.nodes.size === 1) {
    const what = `only one node answers, ${target}: there is no next one`;
    return [{ check: "retries", verdict: "warning", what, advice: "Are the others up? Is the balancer sticky?" }];
  }
  const findings: Finding[] = [];
  for (const trial of TRIALS) findings.push(await tryOut(patient, trial, target));
  return findings;
}

async function tryOut(patient: Patient, trial: Trial, target: string): Promise<Finding> {
  const { check, kind, told, severity, advice } = trial;
  const run = newRun();
  const failed: Answer[] = [];
  let met = 0;
  for (let sent = 1; sent <= ORDERS_AT_MOST && met < ENOUGH && failed.length < ENOUGH; sent++) {
    const answer = await patient.order({ kind, node: target, run }, trial.ask);
    if (answer.status !== 200) failed.push(answer);
    if (sent % ROUND === 0) met = (await metBy(patient, target, run)) ?? met;
  }
  const [first] = failed;
  if (first !== undefined) {
    return {
      check,
      verdict: severity,
      what: `${told} ended ${shown(first)}`,
      advice: `${advice} See ${DOCS}#when-to-send-again`,
    };
  }
  if (met === 0) return { check, verdict: "warning", what: `no request came to ${target}`, advice: "Run it again." };
  return { check, verdict: "ok", what: `${told} was answered by another one` };
}

/** How often the target met the run; undefined where it was not reached. */
async function metBy(patient: Patient, target: string, run: string): Promise<number | undefined> {
  for (let i = 0; i < 4 * patient.nodes.size; i++) {
    const told = toldBy(await patient.order({ kind: "tell", node: "-", run }, {}));
    if (told?.node === target) return told.met;
  }
  return undefined;
}

async function findNodes(patient: Patient): Promise<void> {
  for (let i = 0; i < 12; i++) {
    const told = toldBy(await patient.order({ kind: "tell", node: "-", run: newRun() }, {}));
    if (told !== undefined) patient.nodes.add(told.node);
  }
}

function toldBy({ status, body }: Answer): Told | undefined {
  if (status !== 200) return undefined;
  try {
    const { node, met } = JSON.parse(body) as Record<string, unknown>;
    return typeof node === "string" && typeof met === "number" ? { node, met } : undefined;
  } catch {
    return undefined;
  }
}
