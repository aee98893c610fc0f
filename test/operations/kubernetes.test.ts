import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readConfig } from "../../cluster/config";
import { SETTINGS, type Setting } from "../../cluster/settings";
import { EXIT_GRACE } from "../../cluster/primary";
import { LAST_RESPONSES, STOP_GRACE } from "../../cluster/worker";
import { serversElsewhere } from "../../src/bus/nats/target";
import { resolveTuning } from "../../src/cluster-options";
import { PATHS } from "../../src/operations/handler";
import { READINGS } from "../../src/operations/readings";
import { base, find, hasKubectl, image, kustomized, manifestFiles, podOf, type Manifest } from "./manifests";

interface Model {
  validate(): void;
}
type ModelClass = new (data: unknown) => Model;

/** Kinds that are not Kubernetes' own: what is checked of them is below. */
const CUSTOM = new Set(["HTTPRoute", "ServiceMonitor", "PrometheusRule", "Kustomization", "Component"]);

async function validate(manifest: Manifest): Promise<void> {
  const { apiVersion, kind } = manifest;
  const models = (await import(`kubernetes-models/${apiVersion}`)) as Record<string, ModelClass>;
  const Class = models[kind];
  assert.ok(Class, `Kubernetes has no ${kind} in ${apiVersion}`);
  new Class(manifest).validate();
}

/** What its user puts in. */
function replaced(settings: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(settings).filter(([, value]) => value.includes("REPLACE-ME"));
  return Object.fromEntries(entries.map(([name, value]) => [name, value.replace("REPLACE-ME", "0123456789abcdef")]));
}

interface RouteRule {
  readonly matches: readonly { readonly path: { readonly value: string } }[];
  readonly retry?: { readonly codes: readonly number[]; readonly attempts: number };
  readonly timeouts?: { readonly request: string };
  readonly backendRefs: readonly { readonly name: string; readonly port: number }[];
}

const rulesOf = ({ spec }: Manifest): readonly RouteRule[] => (spec as { rules: readonly RouteRule[] }).rules;
const pathsOf = ({ matches }: RouteRule): string[] => matches.map(({ path }) => path.value);

const variables = new Map(Object.values<Setting<unknown>>(SETTINGS).map((spec) => [spec.variable, spec]));
/** Node's own, which the table does not have. */
const OTHERS = new Set(["NODE_ENV"]);

describe("the manifests", () => {
  for (const [name, manifests] of manifestFiles()) {
    test(`${name} is what Kubernetes takes`, async () => {
      for (const manifest of manifests) {
        assert.equal(typeof manifest.kind, "string", name);
        if (!CUSTOM.has(manifest.kind)) await validate(manifest);
      }
    });
  }

  test("a manifest that is wrong is noticed", async () => {
    const deployment = manifestFiles().get("base/deployment.yaml")![0]!;
    const wrong = { ...deployment, spec: { ...(deployment.spec as object), replicas: "three" } };
    await assert.rejects(validate(wrong), /replicas/);
  });

  for (const overlay of ["base", "overlays/dev", "overlays/prod"]) {
    test(`kubectl kustomize k8s/${overlay}`, { skip: !hasKubectl() }, async () => {
      const all = kustomized(overlay);
      for (const manifest of all) if (!CUSTOM.has(manifest.kind)) await validate(manifest);
      find(all, "Deployment", "engine");
      if (overlay === "base") return;
      const secret = find(all, "Secret", "engine").stringData!;
      assert.deepEqual(Object.keys(secret).sort(), ["CLUSTER_SECRET", "NATS_URL", "REDIS_URL"]);
      const settings = { ...find(all, "ConfigMap", "engine").data, ...secret };
      const read = readConfig({}, { ...settings, ...replaced(settings) });
      assert.ok(read.ok, read.ok ? "" : read.problems.join("; "));
      assert.ok(serversElsewhere(read.config.nats!).length > 0 && read.config.secret !== undefined);
      // A secret that was only copied from here is none.
      if (overlay === "overlays/prod") assert.ok(!readConfig({}, settings).ok);
    });
  }

  test(
    "prod leaves the number of pods to the autoscaler, and has what it is observed by",
    { skip: !hasKubectl() },
    () => {
      const all = kustomized("overlays/prod");
      assert.equal((find(all, "Deployment", "engine").spec as { replicas?: number }).replicas, undefined);
      for (const kind of [
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "ServiceMonitor",
        "PrometheusRule",
        "HTTPRoute",
      ]) {
        find(all, kind, "engine");
      }
      find(all, "ConfigMap", "engine-dashboard");
      const { name: namespace } = all.find(({ kind }) => kind === "Namespace")!.metadata;
      const { groups } = find(all, "PrometheusRule", "engine").spec as {
        groups: { rules: { alert: string; expr: string }[] }[];
      };
      const absent = groups.flatMap(({ rules }) => rules).find(({ alert }) => alert === "EngineAbsent");
      assert.ok(
        absent?.expr.includes(`{namespace="${namespace}"}`),
        "sessions elsewhere do not hide that there are none",
      );
    },
  );
});

describe("manifests and code", () => {
  const { pod, container, settings } = base();
  const read = readConfig({}, settings);
  assert.ok(read.ok, read.ok ? "" : read.problems.join("; "));
  const { config } = read;
  const millis = (seconds: number): number => seconds * 1000;
  const all = [...manifestFiles().values()].flat();

  test("each variable is one of the settings", () => {
    for (const name of Object.keys(settings)) assert.ok(variables.has(name) || OTHERS.has(name), name);
    for (const secret of all.filter(({ kind }) => kind === "Secret")) {
      for (const name of Object.keys(secret.stringData ?? {})) assert.ok(variables.has(name), name);
    }
    for (const name of Object.keys(image().env)) assert.ok(variables.has(name) || OTHERS.has(name), name);
  });

  test("ports: of settings, image, container, services and policies", () => {
    const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
    assert.deepEqual(ports, { http: config.port, health: config.healthPort });
    const exposed = /^EXPOSE (.*)$/m.exec(image().text)?.[1]?.split(" ").map(Number);
    assert.deepEqual(exposed, [config.port, config.healthPort]);
    const health = find(all, "Service", "engine-health").spec as { ports: { port: number; targetPort: string }[] };
    assert.deepEqual(
      health.ports.map(({ port, targetPort }) => [port, targetPort]),
      [[config.healthPort, "health"]],
    );
    const policy = find(all, "NetworkPolicy", "engine").spec as { ingress: { ports: { port: string }[] }[] };
    assert.deepEqual(
      policy.ingress.map((rule) => rule.ports.map(({ port }) => port)),
      [["http"], ["health"]],
    );
    const monitor = find(all, "ServiceMonitor", "engine").spec as {
      selector: { matchLabels: Record<string, string> };
      endpoints: { port: string; path: string }[];
    };
    assert.deepEqual(
      monitor.endpoints.map(({ port, path }) => [port, path]),
      [["health", PATHS.metrics]],
    );
    assert.deepEqual(monitor.selector.matchLabels, find(all, "Service", "engine-health").metadata.labels);
  });

  test("probes ask for what the code answers", () => {
    const { startupProbe, livenessProbe, readinessProbe } = container;
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) assert.equal(probe.httpGet.port, "health");
    assert.equal(startupProbe.httpGet.path, PATHS.alive);
    assert.equal(livenessProbe.httpGet.path, PATHS.alive);
    assert.equal(readinessProbe.httpGet.path, PATHS.ready);
  });

  test("a pod that is told to go has the time that it takes", () => {
    const [command, seconds] = container.lifecycle.preStop.exec.command;
    assert.equal(command, "sleep");
    const sleep = millis(Number(seconds));
    assert.ok(sleep >= 5000, "until every balancer knows");
    const longest = sleep + config.drainTimeout + Math.max(STOP_GRACE + LAST_RESPONSES, EXIT_GRACE);
    assert.ok(millis(pod.terminationGracePeriodSeconds) > longest, `${longest} ms can pass`);
  });

  test("one process for each container, which is the first one: signals reach it", () => {
    assert.equal(config.workers, 1);
    assert.equal(container.command, undefined);
    const { entrypoint, command, env, text } = image();
    assert.deepEqual(entrypoint, ["node", "--enable-source-maps", "/app/dist/cluster/cli.js"]);
    assert.deepEqual(container.args, command);
    assert.equal(env["WORKERS"], "1");
    assert.match(text, /^USER [1-9]\d*:/m);
    assert.match(text, /^STOPSIGNAL SIGTERM$/m);
    assert.match(text, /^HEALTHCHECK [^\n]*\/healthz/m);
  });

  test("nothing is written to but a folder for temporary files, which several workers need", () => {
    assert.equal(container.securityContext.readOnlyRootFilesystem, true);
    const mount = container.volumeMounts?.find(({ mountPath }) => mountPath === "/tmp");
    assert.deepEqual(pod.volumes?.find(({ name }) => name === mount?.name)?.emptyDir, {});
  });

  test("liveness: others have the sessions of a process that stands still before it is started again", () => {
    const { periodSeconds, failureThreshold } = container.livenessProbe;
    assert.ok(millis(periodSeconds * (failureThreshold - 1)) > config.leaseTtl);
  });

  test("readiness: outlasts what requests outlast, a short outage of Redis or NATS, and no more", () => {
    const { periodSeconds, timeoutSeconds, failureThreshold } = container.readinessProbe;
    const least = millis(periodSeconds * (failureThreshold - 1));
    const most = millis(periodSeconds * failureThreshold + timeoutSeconds);
    const { giveUpAfter } = resolveTuning({}, config.pingInterval, config.pingTimeout);
    assert.ok(least > config.leaseTtl, `${least} ms`);
    assert.ok(most < giveUpAfter, `${most} ms`);
  });

  test("no stickiness anywhere, and always somebody who takes the sessions over", () => {
    for (const { spec } of all.filter(({ kind }) => kind === "Service")) {
      assert.notEqual((spec as { sessionAffinity?: string }).sessionAffinity, "ClientIP");
    }
    assert.doesNotMatch(JSON.stringify(all), /affinity: cookie|session-cookie/);
    const { strategy } = find(all, "Deployment", "engine").spec as {
      strategy: { rollingUpdate: { maxUnavailable: number } };
    };
    assert.equal(strategy.rollingUpdate.maxUnavailable, 0);
  });

  test("the gateway waits for polls, and brings every request to the engine's service", () => {
    const rules = rulesOf(find(all, "HTTPRoute", "engine"));
    const [engine, ...others] = rules;
    assert.deepEqual(pathsOf(engine!), [config.path]);
    assert.equal(engine!.timeouts!.request, "0s");
    for (const rule of others) assert.ok(!pathsOf(rule).includes(config.path));
    for (const rule of rules) {
      assert.deepEqual(rule.backendRefs, [{ name: "engine", port: 80 }]);
      assert.equal(rule.retry, undefined, "an older Gateway API would refuse the route");
    }
  });

  test("with its retries it sends the engine's requests again, and nobody else's", { skip: !hasKubectl() }, () => {
    const [engine, ...others] = rulesOf(find(kustomized("overlays/prod"), "HTTPRoute", "engine"));
    assert.deepEqual(pathsOf(engine!), [config.path]);
    assert.ok(engine!.retry!.attempts >= 2);
    assert.ok(engine!.retry!.codes.includes(503));
    for (const rule of others) assert.equal(rule.retry, undefined);
  });

  test("the ingress does too, and lets polls be silent for as long as they may be", () => {
    const { metadata, spec } = find(all, "Ingress", "engine") as Manifest & {
      metadata: { annotations: Record<string, string> };
      spec: { rules: { http: { paths: { path: string }[] } }[] };
    };
    const option = (name: string): string => metadata.annotations[`nginx.ingress.kubernetes.io/${name}`] ?? "";
    assert.equal(option("proxy-next-upstream"), "error timeout http_503 non_idempotent");
    assert.equal(option("proxy-request-buffering"), "on");
    assert.ok(millis(Number(option("proxy-read-timeout"))) > config.pingInterval + config.pingTimeout);
    assert.deepEqual(
      spec.rules.flatMap(({ http }) => http.paths.map(({ path }) => path)),
      [config.path],
    );
  });

  test("what else the application serves comes through the ingress too, and is not sent twice", () => {
    const { metadata, spec } = find(all, "Ingress", "engine-application") as Manifest & {
      metadata: { annotations?: Record<string, string> };
      spec: { rules: { http: { paths: { path: string; backend: { service: { name: string } } }[] } }[] };
    };
    assert.deepEqual(
      spec.rules.flatMap(({ http }) => http.paths.map(({ path, backend }) => [path, backend.service.name])),
      [["/", "engine"]],
    );
    assert.doesNotMatch(JSON.stringify(metadata), /non_idempotent/);
  });

  test("the autoscaler goes by a metric that is there", () => {
    const { metrics } = find(all, "HorizontalPodAutoscaler", "engine").spec as {
      metrics: { pods: { metric: { name: string } } }[];
    };
    for (const { pods } of metrics) assert.ok(READINGS.some(({ name }) => name === pods.metric.name));
  });

  test("Redis keeps sessions, and keeps them over a restart", () => {
    const { args } = podOf(find(all, "StatefulSet", "redis")).containers[0]!;
    assert.match(args.join(" "), /--appendonly yes/);
    assert.match(args.join(" "), /--maxmemory-policy noeviction/);
  });

  test("Redis refuses what is too much before it is killed for it", () => {
    const { args, resources } = podOf(find(all, "StatefulSet", "redis")).containers[0]!;
    const most = /--maxmemory (\d+)mb/.exec(args.join(" "))?.[1];
    const limit = /^(\d+)Mi$/.exec(resources.limits.memory)?.[1];
    assert.ok(Number(most) * 2 <= Number(limit), `${most ?? "no"} MB of ${limit ?? "no"} Mi`);
  });
});
