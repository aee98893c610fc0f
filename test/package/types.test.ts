import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import ts from "typescript";

/**
 * Programs that are written against engine.io 6 compile against this package in its place: each is compiled twice, and
 * what the compiler says must be nothing, both times.
 */

const ROOT = join(__dirname, "../..");
const FOLDER = join(__dirname, "types");

function messages(program: string, paths: Record<string, string[]>): string[] {
  const compiled = ts.createProgram([join(FOLDER, program)], {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    noImplicitOverride: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    esModuleInterop: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    types: ["node"],
    typeRoots: [join(ROOT, "node_modules/@types")],
    paths,
  });
  return ts.getPreEmitDiagnostics(compiled).map(({ file, start, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
    return `${file?.fileName ?? ""}:${String(line)} ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
}

describe("the types", () => {
  for (const program of readdirSync(FOLDER)) {
    it(`of engine.io are those of ${program}`, () => {
      assert.deepEqual(messages(program, {}), []);
    });

    it(`of this package do for ${program}`, () => {
      assert.deepEqual(messages(program, { "engine.io": [join(ROOT, "src/index.ts")] }), []);
    });
  }
});
