import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { rewriteDeclarationSpecifiers } from "../scripts/emit.ts";

const root = join(import.meta.dirname, "..");
const folders = ["nagare", "native", "serve", "cli"];
const engine = join("prebuilds", `${process.platform}-${process.arch}`, "nagare.node");

/** The Node that a user may have: the first Node ≥ 22 in PATH, else the workspace's own. */
function consumerNode(): string {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const candidate = join(folder, "node");
    if (folder.includes("node_modules") || !existsSync(candidate)) continue;
    const version = spawnSync(candidate, ["--version"], { encoding: "utf8" }).stdout ?? "";
    if (Number.parseInt(version.slice(1), 10) >= 22) return candidate;
  }
  return process.execPath;
}

/** The environment of a user: no switch that lets Node run the workspace's TypeScript. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...environment } = process.env;
  return environment;
}

const gradientProgram = `
import * as ng from "nagare";
const gradient = ng.grad((x) => x.mul(x).sum())(ng.tensor([1, 2, 3]));
console.log(JSON.stringify(Array.from(await gradient.data())));
`;

const typedProgram = `
import * as ng from "nagare";
import { serveModel } from "@nagare/serve";
const x: ng.Tensor = ng.tensor([[1, 2], [3, 4]], { dtype: "float32" });
const shape: readonly ng.Dim[] = x.matmul(x).add(ng.exp(x)).shape;
const step: (x: ng.Tensor) => ng.Tensor = ng.jit((v: ng.Tensor) => v.sum({ axis: 0, keepDims: true }));
// @ts-expect-error A shape is no string: the declarations must not have decayed to any.
const wrong: string = x.shape;
// @ts-expect-error There is no such operation.
x.noSuchOperation();
export { serveModel, shape, step, wrong };
`;

describe("the published packages", () => {
  const folder = mkdtempSync(join(tmpdir(), "nagare-packaging-"));
  const installed = (...path: string[]): string => join(folder, "node_modules", ...path);
  const node = consumerNode();
  let offline = "";

  const npm = (arguments_: readonly string[], cwd: string): string =>
    execFileSync("npm", [...arguments_], {
      cwd,
      encoding: "utf8",
      env: plainEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });

  before(() => {
    const tarballs = join(folder, "tarballs");
    mkdirSync(tarballs);
    npm(["pack", "--pack-destination", tarballs, ...folders.map((name) => `./packages/${name}`)], root);
    writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
    const files = readdirSync(tarballs).map((file) => `./tarballs/${file}`);
    assert.equal(files.length, folders.length);
    try {
      npm(["install", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=0", ...files], folder);
    } catch (error) {
      const output = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
      if (!/ENOTCACHED|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ENETUNREACH|ETIMEDOUT/.test(output)) throw error;
      offline = "fastify and commander are neither in npm's cache nor to be had: there is no network";
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const name of folders) {
    test(`packages/${name} installs with licence, code and declarations, without sources`, (t) => {
      if (offline) return t.skip(offline);
      const at = installed(name === "nagare" ? "nagare" : `@nagare/${name}`);
      for (const file of ["LICENSE", "NOTICE", "README.md", "dist/index.js", "dist/index.d.ts"]) {
        assert.ok(existsSync(join(at, file)), `${name} lacks ${file}`);
      }
      assert.deepEqual(globSync(["src/**", "**/*.test.*"], { cwd: at }), []);
    });
  }

  test("the engine of this machine is in @nagare/native", (t) => {
    if (offline) return t.skip(offline);
    if (!existsSync(join(root, "packages/native/build")))
      return t.skip("the engine is not built here: no C++ compiler");
    assert.ok(existsSync(installed("@nagare/native", engine)));
  });

  test("nothing that a user installs has an install script", (t) => {
    if (offline) return t.skip(offline);
    const lock: { packages: Record<string, { hasInstallScript?: boolean }> } = JSON.parse(
      readFileSync(installed(".package-lock.json"), "utf8"),
    );
    const scripted = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript);
    assert.deepEqual(scripted, []);
  });

  test("nagare alone brings no other package", () => {
    const manifest: Record<string, unknown> = JSON.parse(
      readFileSync(join(root, "packages/nagare/package.json"), "utf8"),
    );
    assert.equal(manifest.dependencies, undefined);
    assert.equal(manifest.optionalDependencies, undefined);
  });

  test("a JavaScript program takes a gradient with plain Node", (t) => {
    if (offline) return t.skip(offline);
    writeFileSync(join(folder, "gradient.js"), gradientProgram);
    const result = spawnSync(node, ["gradient.js"], {
      cwd: folder,
      encoding: "utf8",
      env: plainEnvironment(),
    });
    assert.equal(result.status, 0, result.stderr);
    assert.deepEqual(JSON.parse(result.stdout), [2, 4, 6]);
  });

  test("the nagare command prints its help with plain Node", (t) => {
    if (offline) return t.skip(offline);
    const result = spawnSync(node, [installed("@nagare/cli/bin/nagare.js"), "--help"], {
      cwd: folder,
      encoding: "utf8",
      env: plainEnvironment(),
    });
    assert.equal(result.status, 0, result.stderr);
    for (const command of ["train", "predict", "serve", "inspect", "devices"]) {
      assert.match(result.stdout, new RegExp(`\\b${command}\\b`));
    }
  });

  test("a TypeScript program of a user checks against the declarations, library files included", (t) => {
    if (offline) return t.skip(offline);
    writeFileSync(join(folder, "typed.ts"), typedProgram);
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      target: "es2024",
      lib: ["es2024", "esnext.disposable", "dom"],
      module: "nodenext",
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["typed.ts"] }));
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const result = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
    assert.equal(result.status, 0, result.stdout);
  });
});

test("declarations name the emitted files: import, export, augmentation and import type", () => {
  const before = [
    'import type { A } from "./a.ts";',
    'export * from "../b/index.ts";',
    'type C = typeof import("./c.ts");',
    'declare module "../d/d.ts" {}',
    'import { E } from "node:fs";',
    '/** import("./f.ts") in prose stays */',
    'declare const g: "./g.ts";',
  ];
  const expected = before.map((line, index) => (index < 4 ? line.replace(".ts", ".js") : line));
  assert.equal(rewriteDeclarationSpecifiers(before.join("\n")), expected.join("\n"));
});
