import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const CLOCK = "Use the Clock port: a whole cluster runs under a virtual clock (src/time/clock.ts).";

/** Whatever would let a part of the engine see real time or real chance. */
const noRuntimeClock = {
  "no-restricted-globals": [
    "error",
    {
      globals: [
        "setTimeout",
        "setInterval",
        "setImmediate",
        "clearTimeout",
        "clearInterval",
        "clearImmediate",
        "performance",
      ].map((name) => ({ name, message: CLOCK })),
      checkGlobalObject: true,
    },
  ],
  "no-restricted-properties": [
    "error",
    { object: "Date", property: "now", message: CLOCK },
    { object: "performance", property: "now", message: CLOCK },
    { object: "Math", property: "random", message: CLOCK },
    { object: "process", property: "hrtime", message: CLOCK },
    { object: "process", property: "uptime", message: CLOCK },
    { object: "AbortSignal", property: "timeout", message: CLOCK },
  ],
  "no-restricted-syntax": [
    "error",
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: CLOCK },
    { selector: "CallExpression[callee.name='Date']", message: CLOCK },
  ],
  "no-restricted-imports": [
    "error",
    {
      paths: ["timers", "node:timers", "timers/promises", "node:timers/promises", "perf_hooks", "node:perf_hooks"].map(
        (name) => ({ name, message: CLOCK }),
      ),
    },
  ],
};

export default defineConfig(
  globalIgnores(["dist/", "dist.next/", "coverage/", ".build/", "bench/results/", "**/*.generated.ts"]),
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
  },
  js.configs.recommended,
  {
    files: ["**/*.ts", "**/*.mts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: "./tsconfig.test.json", tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // `void promise` is the mark of a promise that nobody has to wait for; what it is of must catch by itself.
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-meaningless-void-operator": "off",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A method that awaits nothing is still asynchronous where its port says so: the memory adapters.
      "@typescript-eslint/require-await": "off",
      // Methods of an interface with one implementation that uses no `this`, and `while (true)` loops with a named end.
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      // `query["sid"]` says that the key comes from the client and may be missing.
      "@typescript-eslint/dot-notation": ["error", { allowIndexSignaturePropertyAccess: true }],
      "@typescript-eslint/no-empty-function": ["error", { allow: ["arrowFunctions", "methods"] }],
      eqeqeq: ["error", "always"],
      "no-console": "error",
      // The protocol's separator is one.
      "no-control-regex": "off",
    },
  },
  {
    files: ["src/**/*.{ts,mts}", "cluster/**/*.ts"],
    ignores: ["src/time/runtime-clock.ts"],
    rules: noRuntimeClock,
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // node:test's `test` and `describe` return promises that the runner awaits by itself.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: ["test", "describe", "it", "suite", "before", "after", "beforeEach", "afterEach"],
            },
          ],
        },
      ],
      // A test names the element that it expects to be there; where it is not, the test fails by that.
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
  {
    files: ["bench/**/*.ts", "test/**/*.ts"],
    rules: { "no-console": "off" },
  },
  {
    files: ["**/*.mjs", "**/*.cjs"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        Buffer: "readonly",
        URL: "readonly",
        URLSearchParams: "readonly",
        setTimeout: "readonly",
        clearTimeout: "readonly",
        setInterval: "readonly",
        clearInterval: "readonly",
        setImmediate: "readonly",
        fetch: "readonly",
        performance: "readonly",
        AbortSignal: "readonly",
      },
    },
    rules: { eqeqeq: ["error", "always"], "prefer-const": "error", "no-var": "error" },
  },
  {
    files: ["**/*.cjs"],
    languageOptions: {
      sourceType: "commonjs",
      globals: { require: "readonly", module: "writable", exports: "writable", __dirname: "readonly" },
    },
  },
);
