import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

export const ROOT = join(__dirname, "../..");

/** A Kubernetes object as it is read: of any kind. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

/** All documents of a text. Fails where YAML finds anything wrong. */
export function readManifests(text: string, where: string): Manifest[] {
  return parseAllDocuments(text, { strict: true, uniqueKeys: true }).map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw new Error(`${where}: ${problem.message}`);
    return document.toJS() as Manifest;
  });
}

/** Every YAML file below k8s/, by path. */
export function manifestFiles(): Map<string, Manifest[]> {
  const files = readdirSync(join(ROOT, "k8s"), { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.ya?ml$/.test(name),
  );
  return new Map(
    files.sort().map((name) => [name, readManifests(readFileSync(join(ROOT, "k8s", name), "utf8"), name)]),
  );
}

export function hasKubectl(): boolean {
  try {
    execFileSync("kubectl", ["version", "--client"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** What would be applied. */
export function kustomized(overlay: string): Manifest[] {
  const text = execFileSync("kubectl", ["kustomize", join(ROOT, "k8s", overlay)], { encoding: "utf8", stdio: "pipe" });
  return readManifests(text, overlay);
}

export function find(all: Iterable<Manifest>, kind: string, name: string): Manifest {
  for (const manifest of all) if (manifest.kind === kind && manifest.metadata.name === name) return manifest;
  throw new Error(`there is no ${kind} ${name}`);
}

interface HttpProbe {
  readonly httpGet: { readonly path: string; readonly port: string | number };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

export interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly volumes?: readonly { readonly name: string; readonly emptyDir?: object }[];
  readonly containers: readonly {
    readonly name: string;
    readonly image: string;
    readonly command?: readonly string[];
    readonly args: readonly string[];
    readonly envFrom: readonly {
      readonly configMapRef?: { readonly name: string };
      readonly secretRef?: { readonly name: string };
    }[];
    readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
    readonly resources: { readonly limits: { readonly memory: string } };
    readonly securityContext: { readonly readOnlyRootFilesystem?: boolean };
    readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
    readonly startupProbe: HttpProbe;
    readonly livenessProbe: HttpProbe;
    readonly readinessProbe: HttpProbe;
    readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  }[];
}

export function podOf(deployment: Manifest): PodSpec {
  return (deployment.spec as { template: { spec: PodSpec } }).template.spec;
}

/** The Deployment as it lies in the base, with its settings. */
export function base(): { pod: PodSpec; container: PodSpec["containers"][number]; settings: Record<string, string> } {
  const all = [...manifestFiles().entries()].filter(([name]) => name.startsWith("base/")).flatMap(([, found]) => found);
  const pod = podOf(find(all, "Deployment", "engine"));
  return { pod, container: pod.containers[0]!, settings: { ...find(all, "ConfigMap", "engine").data } };
}

export interface Image {
  readonly entrypoint: string[];
  readonly command: string[];
  readonly env: Record<string, string>;
  /** Its folder with what the repository has. */
  readonly folder: string;
  /** The Dockerfile's last stage. */
  readonly text: string;
}

/** The image, as the Dockerfile's last stage makes it. */
export function image(): Image {
  const text = readFileSync(join(ROOT, "Dockerfile"), "utf8");
  const stage = text.slice(text.lastIndexOf("\nFROM ")).replace(/\\\n\s*/g, " ");
  const list = (instruction: string): string[] => {
    const line = new RegExp(`^${instruction} (\\[.*\\])$`, "m").exec(stage);
    if (line === null) throw new Error(`the Dockerfile has no ${instruction} in exec form`);
    return JSON.parse(line[1]!) as string[];
  };
  const pairs = /^ENV (.*)$/m.exec(stage)?.[1]?.trim().split(/\s+/) ?? [];
  const env = Object.fromEntries(pairs.map((pair) => pair.split("=") as [string, string]));
  const folder = /^WORKDIR (.*)$/m.exec(stage)?.[1] ?? "";
  return { entrypoint: list("ENTRYPOINT"), command: list("CMD"), env, folder, text: stage };
}
