import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findCycles } from "../scripts/lint/cycles.ts";
import type { Manifest } from "../scripts/lint/imports.ts";
import { checkImports, checkVersions } from "../scripts/lint/imports.ts";
import { checkPolicy } from "../scripts/lint/policy.ts";
import { importsOf, scan } from "../scripts/lint/scan.ts";

const manifests = new Map<string, Manifest>([
  ["", { devDependencies: { typescript: "7.0.2" } }],
  ["packages/nagare", { name: "nagare", peerDependencies: { "@nagare/native": "0.1.0" } }],
  ["packages/serve", { name: "@nagare/serve", dependencies: { fastify: "5.0.0", nagare: "0.1.0" } }],
  ["testing", { name: "@nagare/testing", dependencies: { nagare: "0.1.0" } }],
]);

/** The messages that the import rules give for one file (and others beside it). */
function importProblems(file: string, source: string, others: Record<string, string> = {}): string[] {
  const sources = new Map(Object.entries({ [file]: source, ...others }));
  return checkImports(sources, manifests).map((problem) => `${problem.line}: ${problem.message}`);
}

/** Fixtures that hold what the policy forbids are put together here, so that this file may itself be checked. */
const forbidden = (...parts: string[]): string => parts.join("");

function policyProblems(file: string, source: string): string[] {
  return checkPolicy(new Map([[file, source]])).map((problem) => problem.message);
}

describe("reading imports", () => {
  test("every form is found, with its kind and line", () => {
    const source = [
      'import "./effect.ts";',
      'import type { A } from "./a.ts";',
      "import {",
      "  B,",
      '} from "./b.ts";',
      'export * from "./c.ts";',
      'export type { D } from "./d.ts";',
      'const e = await import("./e.ts");',
      'type F = import("./f.ts").F;',
      'declare module "./g.ts" {}',
      'export * as h from "./h.ts";',
      'import I, { j } from "package";',
    ].join("\n");
    assert.deepEqual(
      importsOf(source).map(({ specifier, kind, line }) => `${line} ${kind} ${specifier}`),
      [
        "1 value ./effect.ts",
        "2 type ./a.ts",
        "3 value ./b.ts",
        "6 value ./c.ts",
        "7 type ./d.ts",
        "8 dynamic ./e.ts",
        "9 type ./f.ts",
        "10 augmentation ./g.ts",
        "11 value ./h.ts",
        "12 value package",
      ],
    );
  });

  test("text in comments, strings, templates and regular expressions is no import", () => {
    const dollar = "$";
    const source = [
      '// import a from "./a.ts"',
      '/* export * from "./b.ts" */',
      "const text = 'import c from \"./c.ts\"';",
      `const template = \`import d from "./d.ts" ${dollar}{"\`"} ${dollar}{\`${dollar}{1}\`} import e from "./e.ts"\`;`,
      'const pattern = /import f from ".\\/["\\/]f"/;',
      "const quotient = 4 / 2 / 1;",
      'import real from "./real.ts";',
    ].join("\n");
    assert.deepEqual(
      importsOf(source).map(({ specifier }) => specifier),
      ["./real.ts"],
    );
  });

  test("scanning keeps every character in its place", () => {
    const dollar = "$";
    const source = `const a = \`x${dollar}{{ b: "}" }}y\`; // c\nconst d = /[/"]/;\n`;
    const { text, code } = scan(source);
    assert.equal(text, `const a = \`x${dollar}{{ b: "}" }}y\`;     \nconst d = /[/"]/;\n`);
    assert.equal(code, `const a = \` ${dollar}{{ b: " " }} \`;     \nconst d = /    /;\n`);
  });
});

describe("the import rules", () => {
  test("the table's directions are free, the others name the folder and the remedy", () => {
    const use = 'import { Tensor } from "../core/index.ts";\n';
    assert.deepEqual(importProblems("packages/nagare/src/trace/trace.ts", use), []);
    assert.deepEqual(
      importProblems("packages/nagare/src/core/tensor.ts", '\nimport { jit } from "../transforms/index.ts";'),
      [
        "2: core/ may import no other folder; received an import of transforms. Move the code to the folder that may, or pass the value in.",
      ],
    );
    const trace = importProblems(
      "packages/nagare/src/trace/trace.ts",
      'import { x } from "../ops/index.ts";',
    );
    assert.match(trace[0] ?? "", /trace\/ may import core; received an import of ops/);
  });

  test("type imports and augmentations obey the directions too", () => {
    for (const line of [
      'import type { Graph } from "../ir/index.ts";',
      'declare module "../ir/graph.ts" {}',
    ]) {
      assert.match(
        importProblems("packages/nagare/src/core/tensor.ts", line)[0] ?? "",
        /core\/ may import no other/,
      );
    }
  });

  test("a folder that the table lacks is reported", () => {
    const [problem] = importProblems(
      "packages/nagare/src/extra/x.ts",
      'import { y } from "../core/index.ts";',
    );
    assert.match(problem ?? "", /missing from the table/);
  });

  test("a folder is entered through its index.ts, at every depth", () => {
    const file = "packages/nagare/src/ops/arithmetic.ts";
    assert.match(
      importProblems(file, 'import { shape } from "../core/shape.ts";')[0] ?? "",
      /entered through its index\.ts.*Import packages\/nagare\/src\/core\/index\.ts/,
    );
    const inner = 'import { unary } from "./define/elementwise.ts";';
    const door = { "packages/nagare/src/ops/define/index.ts": "" };
    assert.equal(importProblems(file, inner, door).length, 1);
    assert.deepEqual(
      importProblems(file, inner),
      [],
      "a folder of a room without index.ts belongs to the room",
    );
    assert.equal(importProblems("packages/nagare/src/ir/x.ts", inner.replace(".", "../ops")).length, 1);
    assert.deepEqual(importProblems(file, 'import { unary } from "./define/index.ts";'), []);
    assert.deepEqual(
      importProblems("packages/nagare/src/ops/define/x.ts", 'import { y } from "../y.ts";'),
      [],
    );
    assert.deepEqual(importProblems(file, 'declare module "../trace/primitive.ts" {}'), []);
  });

  test("only the face names a backend", () => {
    const reference = 'import { reference } from "../backends/reference/index.ts";';
    for (const room of ["nn", "train", "runtime"]) {
      assert.match(importProblems(`packages/nagare/src/${room}/x.ts`, reference)[0] ?? "", /names a backend/);
    }
    const native = 'const engine = await import("@nagare/native");';
    assert.match(importProblems("packages/nagare/src/runtime/x.ts", native)[0] ?? "", /names a backend/);
    const faceSource = `export const load = () => import("./backends/reference/index.ts");\n${native}`;
    assert.deepEqual(importProblems("packages/nagare/src/index.ts", faceSource), []);
  });

  test("the face for authors of backends passes on every folder but backends", () => {
    const file = "packages/nagare/src/backend.ts";
    assert.deepEqual(importProblems(file, 'export * from "./ir/index.ts";'), []);
    assert.match(
      importProblems(file, 'export * from "./backends/reference/index.ts";')[0] ?? "",
      /only .*index\.ts names a backend/,
    );
    assert.equal(importProblems("packages/nagare/src/extra.ts", 'export * from "./ir/index.ts";').length, 1);
  });

  test("nothing imports the face from inside", () => {
    assert.match(
      importProblems("packages/nagare/src/nn/dense.ts", 'import * as ng from "../index.ts";')[0] ?? "",
      /imports a face of the framework/,
    );
  });

  test("a package imports what it declares, other packages by name", () => {
    const file = "packages/serve/src/server.ts";
    assert.deepEqual(
      importProblems(file, 'import fastify from "fastify";\nimport * as ng from "nagare";'),
      [],
    );
    assert.match(
      importProblems(file, 'import pino from "pino";')[0] ?? "",
      /only packages that its package\.json declares/,
    );
    assert.match(
      importProblems(file, 'import { x } from "../../nagare/src/index.ts";')[0] ?? "",
      /imported by its name.*Import "nagare"/,
    );
  });

  test("tests may enter a package's folders, through their doors", () => {
    const file = "testing/ir.test.ts";
    assert.deepEqual(importProblems(file, 'import { x } from "../packages/nagare/src/ir/index.ts";'), []);
    assert.match(
      importProblems(file, 'import { x } from "../packages/nagare/src/ir/graph.ts";')[0] ?? "",
      /through its index\.ts/,
    );
  });

  test("the framework loads modules of Node only when it reaches them", () => {
    const file = "packages/nagare/src/saved/write.ts";
    assert.match(
      importProblems(file, 'import { readFile } from "node:fs/promises";')[0] ?? "",
      /also loads in browsers/,
    );
    assert.deepEqual(importProblems(file, 'const fs = await import("node:fs/promises");'), []);
    assert.match(importProblems("packages/serve/src/x.ts", 'import fs from "fs";')[0] ?? "", /"node:fs"/);
  });

  test("value cycles are reported once with their path; type imports and lazy imports close none", () => {
    const a = "packages/nagare/src/core/a.ts";
    const b = "packages/nagare/src/core/b.ts";
    const cycle = importProblems(a, '\nimport { b } from "./b.ts";', { [b]: 'import { a } from "./a.ts";' });
    assert.equal(cycle.length, 1);
    assert.match(cycle[0] ?? "", /form no cycle; received .*\.ts → .*\.ts → .*\.ts/);
    for (const back of ['import type { A } from "./a.ts";', 'const a = await import("./a.ts");']) {
      assert.deepEqual(importProblems(a, 'import { b } from "./b.ts";', { [b]: back }), []);
    }
  });

  test("of a component with several cycles, one shortest cycle is shown", () => {
    const edges = new Map([
      ["a", ["b", "d"]],
      ["b", ["c"]],
      ["c", ["a"]],
      ["d", ["a"]],
      ["e", ["a"]],
    ]);
    assert.deepEqual(findCycles(edges), [["a", "d"]]);
  });
});

test("a dependency with a range of versions is refused", () => {
  assert.deepEqual(checkVersions(manifests), []);
  for (const version of ["^1.2.3", "~1.2.3", "1", "*", "latest"]) {
    const loose = new Map<string, Manifest>([["bench", { devDependencies: { a: version, b: "1.2.3" } }]]);
    assert.deepEqual(
      checkVersions(loose).map(({ file }) => file),
      ["bench/package.json"],
      version,
    );
  }
});

describe("the contents policy", () => {
  const file = "packages/nagare/src/core/x.ts";

  test("open work, any, silenced types and machine paths are refused", () => {
    const bad = [
      forbidden("// TO", "DO: later"),
      forbidden("const a = b as", " any;"),
      forbidden("function f(x:", " any) {}"),
      forbidden("const m = new Map<string,", " any>();"),
      forbidden("// @ts-", "ignore"),
      forbidden("// @ts-", "expect-error"),
      forbidden('const path = "', "/ro", 'ot/data";'),
      forbidden('const path = "', "/tm", 'p/data";'),
    ];
    for (const line of bad) assert.equal(policyProblems(file, line).length, 1, line);
  });

  test("prose and strings may hold the word any; paths of a system and of a URL are no machine's", () => {
    const good = [
      "/** Shape: any. */",
      'const text = "x: any";',
      'const system = "/usr/lib";',
      'const url = "http://localhost/tmp/x";',
      'const relative = "./work/x";',
      "// @ts-expect-error A string is no number.",
    ];
    for (const line of good) assert.deepEqual(policyProblems(file, line), [], line);
  });

  test("a test is skipped only with a reason", () => {
    const test_ = "testing/x.test.ts";
    const bad = [
      forbidden("test.", 'skip("a", () => {});'),
      forbidden("t.", "skip();"),
      forbidden('test("a", { ', "skip", ": true }, f);"),
      forbidden("describe.", 'only("a", f);'),
    ];
    for (const line of bad) assert.equal(policyProblems(test_, line).length, 1, line);
    assert.deepEqual(policyProblems(test_, 't.skip("no compiler");\ntest("a", { skip: reason }, f);'), []);
  });

  test("a name that fits any file is refused", () => {
    for (const path of ["utils.ts", "core/helpers.ts", "common/x.ts"]) {
      assert.equal(policyProblems(`packages/nagare/src/${path}`, "").length, 1, path);
    }
    assert.deepEqual(policyProblems("packages/nagare/src/core/commonSubexpressions.ts", ""), []);
  });
});
