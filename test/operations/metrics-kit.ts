import { waitFor } from "../../testing/wait-for";

export type Labels = Readonly<Record<string, string>>;

interface Line {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

/** Prometheus' text format, as far as it is used here. */
export function readMetrics(text: string): Line[] {
  return text.split("\n").flatMap((line) => {
    const match = /^([a-z_0-9:]+)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (match === null) return [];
    const [, name = "", labels = "", value = ""] = match;
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = "", text = ""]) => [label, text]);
    return [{ name, labels: Object.fromEntries(pairs) as Labels, value: Number(value) }];
  });
}

/** Sum of the lines that have these labels at least; undefined where there is none. */
export function sumOf(text: string, name: string, labels: Labels = {}): number | undefined {
  const found = readMetrics(text).filter(
    (line) => line.name === name && Object.entries(labels).every(([label, value]) => line.labels[label] === value),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** Where metrics are read from, and which of them a test has seen move. */
export class Watched {
  readonly moved = new Set<string>();
  /** All that was read. */
  readonly texts: string[] = [];

  async read(source: () => Promise<string>, name: string, labels?: Labels): Promise<number | undefined> {
    const text = await source();
    this.texts.push(text);
    return sumOf(text, name, labels);
  }

  /** What is done raises the metric. */
  async rises<T>(source: () => Promise<string>, name: string, labels: Labels, act: () => Promise<T>): Promise<T> {
    const before = (await this.read(source, name, labels)) ?? 0;
    const result = await act();
    const shown = `${name} ${JSON.stringify(labels)}`;
    await waitFor(`${shown} to rise above ${before}`, async () => {
      const now = await this.read(source, name, labels);
      return now !== undefined && now > before;
    });
    this.moved.add(name);
    return result;
  }

  /** The metric gets to be this; undefined: it goes away. */
  async becomes(
    source: () => Promise<string>,
    name: string,
    labels: Labels,
    wanted: number | undefined | ((value: number) => boolean),
  ): Promise<void> {
    const before = await this.read(source, name, labels);
    const holds = (value: number | undefined): boolean =>
      typeof wanted === "function" ? value !== undefined && wanted(value) : value === wanted;
    let last = before;
    await waitFor(`${name} ${JSON.stringify(labels)} to be ${String(wanted)}`, async () => {
      last = await this.read(source, name, labels);
      return holds(last);
    }).catch((error: unknown) => {
      throw new Error(`it is ${String(last)}`, { cause: error });
    });
    this.moved.add(name);
  }
}
