import { readdirSync } from "node:fs";
import { join, relative } from "node:path";

/** All files below test/ whose names end so, in a fixed order, of which a filter's part of the path selects some. */
export function findTestFiles(root, isTest, filters) {
  const files = readdirSync(join(root, "test"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && isTest(entry.name))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
  if (filters.length === 0) return files;
  const wanted = filters.map((filter) => relative(root, join(root, filter)));
  return files.filter((file) => wanted.some((part) => file.includes(part)));
}

export const isSoak = (name) => name.endsWith(".soak.test.ts");
export const isTest = (name) => name.endsWith(".test.ts") && !isSoak(name);
