import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../testing/free-port";
import { startProcess, type ProcessEnd, type RunningProcess } from "../../testing/processes";
import { waitFor } from "../../testing/wait-for";
import { base, find, image, manifestFiles, ROOT, type PodSpec } from "./manifests";

export interface PodOptions {
  readonly name: string;
  /** Added to what image, ConfigMap and Secret say. */
  readonly env: Readonly<Record<string, string>>;
  /** By how much everything that takes time is shorter than the manifest says. Default: 1. */
  readonly faster?: number;
}

export interface ProbeResult {
  readonly probe: "startup" | "readiness" | "liveness";
  readonly status: number;
  readonly body: string;
}

export interface PodEnd extends ProcessEnd {
  /** Milliseconds from the beginning of the end, preStop included. */
  readonly took: number;
  readonly killed: boolean;
}

const STARTS = 3;

type Probe = PodSpec["containers"][number]["readinessProbe"];

/** A pod of the Deployment, run as Kubernetes does: the image's command, the manifest's environment, probes and end. */
export class Pod {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly healthUrl: string;
  readonly probes: ProbeResult[] = [];
  readonly process: RunningProcess;
  /** Milliseconds, on the clock of `performance`, of its SIGTERM. */
  terminatedAt: number | undefined;
  endedAt: number | undefined;
  readonly #faster: number;
  readonly #spec: PodSpec;
  #started = false;
  #ready = false;
  #ending = false;

  private constructor(options: PodOptions, port: number, healthPort: number) {
    const { pod, container, settings } = base();
    this.name = options.name;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.healthUrl = `http://127.0.0.1:${healthPort}`;
    this.#faster = options.faster ?? 1;
    this.#spec = pod;
    const { entrypoint, env, folder } = image();
    // The image has in its folder what the repository has.
    const [command = "", ...args] = [...entrypoint, ...container.args].map((part) =>
      part.startsWith(`${folder}/`) ? join(ROOT, part.slice(folder.length)) : part,
    );
    const secret = find([...manifestFiles().values()].flat(), "Secret", "engine").stringData;
    this.process = startProcess(command, args, {
      name: options.name,
      cwd: ROOT,
      env: {
        ...withoutOwn(),
        ...env,
        ...settings,
        ...secret,
        HOST: "127.0.0.1",
        PORT: String(port),
        HEALTH_PORT: String(healthPort),
        ...options.env,
      },
    });
    void this.process.ended.then(() => {
      this.endedAt = performance.now();
      this.#ready = false;
    });
    void this.#probeStart(container.startupProbe);
    void this.#probe("readiness", container.readinessProbe, (ready) => (this.#ready = ready));
    void this.#probe("liveness", container.livenessProbe, () => undefined);
  }

  static async start(options: PodOptions): Promise<Pod> {
    const [port = 0, healthPort = 0] = await freePorts(2);
    return new Pod(options, port, healthPort);
  }

  /** The same, and resolves when it is ready. */
  static async startReady(options: PodOptions): Promise<Pod> {
    for (let attempt = 1; ; attempt++) {
      const pod = await Pod.start(options);
      try {
        await pod.untilReady();
        return pod;
      } catch (error) {
        await pod.process.kill();
        // Somebody else can take a free port before the process does.
        if (attempt === STARTS || !pod.process.logs().includes("EADDRINUSE")) throw error;
      }
    }
  }

  /** What makes it an endpoint of the Service. */
  get ready(): boolean {
    return this.#ready && !this.#ending;
  }

  async untilReady(withinMs = 30_000): Promise<void> {
    await this.process.until("it to be ready", () => (this.#ready ? true : undefined), withinMs);
  }

  /** Resolves when a probe of this kind, from now on, has had this result. */
  async untilProbed(probe: ProbeResult["probe"], status: number): Promise<ProbeResult> {
    const from = this.probes.length;
    return waitFor(`${this.name}: ${probe} ${status}`, () =>
      this.probes.slice(from).find((result) => result.probe === probe && result.status === status),
    );
  }

  /** preStop, SIGTERM, and SIGKILL where the grace period is over. */
  async terminate(): Promise<PodEnd> {
    const since = performance.now();
    this.#ending = true;
    const grace = this.#millis(this.#spec.terminationGracePeriodSeconds);
    const [command = "", seconds = ""] = this.#spec.containers[0]!.lifecycle.preStop.exec.command;
    await startProcess(command, [String(Number(seconds) / this.#faster)]).ended;
    this.terminatedAt = performance.now();
    this.process.signal("SIGTERM");
    const timer = setTimeout(() => this.process.signal("SIGKILL"), grace - (performance.now() - since));
    const end = await this.process.ended;
    clearTimeout(timer);
    return { ...end, took: performance.now() - since, killed: end.signal === "SIGKILL" };
  }

  /** Asks as a probe does, once. */
  ask(path: string, timeoutSeconds = 5): Promise<{ readonly status: number; readonly body: string }> {
    return get(`${this.healthUrl}${path}`, timeoutSeconds * 1000);
  }

  #millis(seconds: number): number {
    return (1000 * seconds) / this.#faster;
  }

  async #probeStart(probe: Probe): Promise<void> {
    for (let i = 0; i < probe.failureThreshold && this.process.running && !this.#started; i++) {
      this.#started = await this.#once("startup", probe);
      if (!this.#started) await sleep(this.#millis(probe.periodSeconds));
    }
  }

  /** Good after one success, bad after as many failures as the manifest says; the others begin after the start's probe. */
  async #probe(name: "readiness" | "liveness", probe: Probe, tell: (good: boolean) => void): Promise<void> {
    await this.#whenStarted();
    let failures = 0;
    while (this.process.running && (name === "readiness" || !this.#ending)) {
      if (await this.#once(name, probe)) {
        failures = 0;
        tell(true);
      } else if (++failures >= probe.failureThreshold) tell(false);
      await sleep(this.#millis(probe.periodSeconds));
    }
  }

  async #once(name: ProbeResult["probe"], { httpGet, timeoutSeconds }: Probe): Promise<boolean> {
    const { status, body } = await this.ask(httpGet.path, timeoutSeconds);
    this.probes.push({ probe: name, status, body });
    return status >= 200 && status < 400;
  }

  async #whenStarted(): Promise<void> {
    while (!this.#started && this.process.running) await sleep(20);
  }
}

/** A container knows nothing of who runs the test, but for where programs are. */
function withoutOwn(): Record<string, undefined> {
  const names = Object.keys(process.env).filter((name) => name !== "PATH");
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** Status 0 where there is no answer in time. */
function get(url: string, timeout: number): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    const none = (error: Error): void => {
      resolve({ status: 0, body: error.message });
    };
    const sent = request(url, { agent: false, timeout }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", none);
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      });
    });
    sent.once("timeout", () => sent.destroy(new Error("no answer in time")));
    sent.once("error", none);
    sent.end();
  });
}
